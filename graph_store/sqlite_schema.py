"""Tables of the SQLite store and every SQL text it runs; values are parameters, never pasted.

Ids are compared by their bytes, which for UTF-8 is the order of code points. Steps hang on the number of their graph, so that
one user's steps lie side by side and are read in one stretch.
"""

from __future__ import annotations

APPLICATION_ID = 0x4C4D5247
"""`LMRG`: tells our files from other SQLite files."""
SCHEMA_VERSION = 1

TABLES = (
    """CREATE TABLE items (
        namespace TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL, attributes TEXT NOT NULL,
        PRIMARY KEY (namespace, id)) WITHOUT ROWID""",
    """CREATE TABLE users (
        namespace TEXT NOT NULL, user TEXT NOT NULL, items TEXT NOT NULL, at TEXT NOT NULL, attributes TEXT NOT NULL,
        PRIMARY KEY (namespace, user))""",
    """CREATE TABLE graphs (
        id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, user TEXT NOT NULL, run TEXT NOT NULL, version INTEGER NOT NULL,
        accepted INTEGER NOT NULL, rejected INTEGER NOT NULL, imagined INTEGER NOT NULL,
        UNIQUE (namespace, user))""",
    """CREATE TABLE steps (
        graph INTEGER NOT NULL, ordinal INTEGER NOT NULL, position INTEGER NOT NULL, kind TEXT NOT NULL,
        cause_kind TEXT NOT NULL, cause TEXT NOT NULL, cause_position INTEGER, reason TEXT NOT NULL, item TEXT NOT NULL,
        score REAL NOT NULL, chain INTEGER NOT NULL, seen INTEGER NOT NULL, accepted INTEGER NOT NULL,
        why_rejected TEXT NOT NULL, origin TEXT NOT NULL, grounding REAL NOT NULL,
        PRIMARY KEY (graph, ordinal)) WITHOUT ROWID""",
    """CREATE TABLE drafts (
        id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, run TEXT NOT NULL, user TEXT NOT NULL, through INTEGER NOT NULL,
        UNIQUE (namespace, run, user))""",
    """CREATE TABLE draft_steps (
        id INTEGER PRIMARY KEY, draft INTEGER NOT NULL, step TEXT NOT NULL,
        UNIQUE (draft, step))""",
    """CREATE TABLE knowledge (
        id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, key TEXT NOT NULL, from_item TEXT NOT NULL, reason TEXT NOT NULL,
        to_item TEXT NOT NULL, score REAL NOT NULL, uses INTEGER NOT NULL, source_user TEXT NOT NULL,
        source_position INTEGER NOT NULL, vector BLOB,
        UNIQUE (namespace, key))""",
    """CREATE TABLE vector_sizes (namespace TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE runs (
        namespace TEXT NOT NULL, id TEXT NOT NULL, status TEXT NOT NULL, settings TEXT NOT NULL, costs TEXT NOT NULL,
        started_at REAL NOT NULL, ended_at REAL,
        PRIMARY KEY (namespace, id))""",
    """CREATE TABLE user_statuses (
        namespace TEXT NOT NULL, run TEXT NOT NULL, user TEXT NOT NULL, status TEXT NOT NULL, cause TEXT NOT NULL,
        PRIMARY KEY (namespace, run, user)) WITHOUT ROWID""",
)
INDEXES = {
    "knowledge_by_pair": "CREATE INDEX IF NOT EXISTS knowledge_by_pair ON knowledge (namespace, to_item, from_item)",
    "knowledge_by_use": "CREATE INDEX IF NOT EXISTS knowledge_by_use ON knowledge (namespace, uses DESC, score DESC, key)",
}
TABLE_NAMES = frozenset(
    ("items", "users", "graphs", "steps", "drafts", "draft_steps", "knowledge", "vector_sizes", "runs", "user_statuses")
)

PUT_ITEM = "INSERT OR REPLACE INTO items (namespace, id, title, attributes) VALUES (?, ?, ?, ?)"
ITEMS = "SELECT id, title, attributes FROM items WHERE namespace = ? ORDER BY id"
HAS_ITEM = "SELECT 1 FROM items WHERE namespace = ? AND id = ?"

PUT_USER = "INSERT OR REPLACE INTO users (namespace, user, items, at, attributes) VALUES (?, ?, ?, ?, ?)"
HISTORY = "SELECT user, items, at, attributes FROM users WHERE namespace = ? AND user = ?"
HAS_USER = "SELECT 1 FROM users WHERE namespace = ? AND user = ?"
USERS = "SELECT user FROM users WHERE namespace = ? AND user > ? ORDER BY user LIMIT ?"
ANY_USER = "SELECT user FROM users WHERE namespace = ? LIMIT 1"

GRAPH = "SELECT id, run, version FROM graphs WHERE namespace = ? AND user = ?"
PUT_GRAPH = """INSERT INTO graphs (namespace, user, run, version, accepted, rejected, imagined) VALUES (?, ?, ?, 1, ?, ?, ?)
    ON CONFLICT (namespace, user) DO UPDATE SET run = excluded.run, version = version + 1, accepted = excluded.accepted,
        rejected = excluded.rejected, imagined = excluded.imagined"""
DELETE_GRAPH = "DELETE FROM graphs WHERE id = ?"
_STEP_COLUMNS = (
    "position, kind, cause_kind, cause, cause_position, reason, item, score, chain, seen, accepted, "
    "why_rejected, origin, grounding"
)
STEPS = f"SELECT {_STEP_COLUMNS} FROM steps WHERE graph = ? ORDER BY ordinal"
PUT_STEP = f"INSERT INTO steps (graph, ordinal, {_STEP_COLUMNS}) VALUES ({', '.join('?' * 16)})"
DELETE_STEPS = "DELETE FROM steps WHERE graph = ?"

DRAFT = "SELECT id, through FROM drafts WHERE namespace = ? AND run = ? AND user = ?"
PUT_DRAFT = """INSERT INTO drafts (namespace, run, user, through) VALUES (?, ?, ?, ?)
    ON CONFLICT (namespace, run, user) DO UPDATE SET through = max(through, excluded.through)"""
DELETE_DRAFT = "DELETE FROM drafts WHERE id = ?"
PUT_DRAFT_STEP = "INSERT INTO draft_steps (draft, step) VALUES (?, ?) ON CONFLICT (draft, step) DO NOTHING"
DRAFT_STEPS = "SELECT step FROM draft_steps WHERE draft = ? ORDER BY id"
DELETE_DRAFT_STEPS = "DELETE FROM draft_steps WHERE draft = ?"

PUT_KNOWLEDGE = """INSERT INTO knowledge
        (namespace, key, from_item, reason, to_item, score, uses, source_user, source_position, vector)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (namespace, key) DO UPDATE SET score = max(score, excluded.score), vector = coalesce(vector, excluded.vector)"""
_KNOWLEDGE = (
    "SELECT from_item, reason, to_item, score, uses, source_user, source_position, vector, key "
    "FROM knowledge WHERE namespace = ? "
)
KNOWLEDGE_PAGE = _KNOWLEDGE + "AND key > ? ORDER BY key LIMIT ?"
KNOWLEDGE_FOR_PAIR = _KNOWLEDGE + "AND from_item = ? AND to_item = ?"
KNOWLEDGE = _KNOWLEDGE + "AND key = ?"
VECTORS_TO = "SELECT key, vector FROM knowledge WHERE namespace = ? AND to_item = ? AND vector IS NOT NULL"
TOP_KNOWLEDGE = _KNOWLEDGE + "ORDER BY uses DESC, score DESC, key LIMIT ?"
PRUNABLE = "SELECT count(*) FROM knowledge WHERE namespace = ? AND uses <= ? AND score <= ?"
PRUNE = "DELETE FROM knowledge WHERE namespace = ? AND uses <= ? AND score <= ?"
COUNT_USES = "UPDATE knowledge SET uses = uses + ? WHERE namespace = ? AND key = ?"
VECTOR_SIZE = "SELECT size FROM vector_sizes WHERE namespace = ?"
PUT_VECTOR_SIZE = "INSERT INTO vector_sizes (namespace, size) VALUES (?, ?)"

PUT_RUN = """INSERT INTO runs (namespace, id, status, settings, costs, started_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (namespace, id) DO UPDATE SET status = excluded.status, settings = excluded.settings, costs = excluded.costs,
        started_at = excluded.started_at, ended_at = excluded.ended_at"""
_RUN = "SELECT id, status, settings, costs, started_at, ended_at FROM runs WHERE namespace = ? "
RUN = _RUN + "AND id = ?"
RUNS = _RUN + "ORDER BY started_at DESC, id"
PUT_STATUS = "INSERT OR REPLACE INTO user_statuses (namespace, run, user, status, cause) VALUES (?, ?, ?, ?, ?)"
STATUSES = "SELECT user, status, cause FROM user_statuses WHERE namespace = ? AND run = ? ORDER BY user"

COUNTS = """SELECT
    (SELECT count(*) FROM items WHERE namespace = :namespace),
    (SELECT count(*) FROM users WHERE namespace = :namespace),
    (SELECT count(*) FROM graphs WHERE namespace = :namespace),
    (SELECT coalesce(sum(accepted), 0) FROM graphs WHERE namespace = :namespace),
    (SELECT coalesce(sum(rejected), 0) FROM graphs WHERE namespace = :namespace),
    (SELECT coalesce(sum(imagined), 0) FROM graphs WHERE namespace = :namespace),
    (SELECT count(*) FROM knowledge WHERE namespace = :namespace),
    (SELECT count(*) FROM runs WHERE namespace = :namespace)"""
