"""Every SQL text that the SQLite store runs on its data; values are parameters, never pasted."""

from __future__ import annotations

PUT_ITEM = "INSERT OR REPLACE INTO items (namespace, id, title, attributes) VALUES (?, ?, ?, ?)"
ITEMS = "SELECT id, title, attributes FROM items WHERE namespace = ? ORDER BY id"
HAS_ITEM = "SELECT 1 FROM items WHERE namespace = ? AND id = ?"

PUT_USER = "INSERT OR REPLACE INTO users (namespace, user, items, at, attributes) VALUES (?, ?, ?, ?, ?)"
HISTORY = "SELECT user, items, at, attributes FROM users WHERE namespace = ? AND user = ?"
HAS_USER = "SELECT 1 FROM users WHERE namespace = ? AND user = ?"
USERS = "SELECT user FROM users WHERE namespace = ? AND user > ? ORDER BY user LIMIT ?"
ANY_USER = "SELECT user FROM users WHERE namespace = ? LIMIT 1"

LATEST_VERSION = "SELECT coalesce(max(version), 0) FROM graphs WHERE namespace = ? AND user = ?"
NEWEST_GRAPH = """SELECT packed FROM graphs WHERE id = (
    SELECT id FROM graphs WHERE namespace = ? AND user = ? ORDER BY version DESC LIMIT 1)"""
GRAPH_OF_RUN = "SELECT packed FROM graphs WHERE namespace = ? AND user = ? AND run = ?"
PUT_GRAPH = """INSERT INTO graphs (namespace, user, run, version, accepted, rejected, imagined, packed)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (namespace, user, run) DO UPDATE SET version = excluded.version, accepted = excluded.accepted,
        rejected = excluded.rejected, imagined = excluded.imagined, packed = excluded.packed"""
GRAPHS_BY_RUN = "SELECT run, count(*) FROM graphs WHERE namespace = ? GROUP BY run ORDER BY run"

DRAFT = "SELECT id, through FROM drafts WHERE namespace = ? AND run = ? AND user = ?"
PUT_DRAFT = """INSERT INTO drafts (namespace, run, user, through) VALUES (?, ?, ?, ?)
    ON CONFLICT (namespace, run, user) DO UPDATE SET through = excluded.through"""
DELETE_DRAFT = "DELETE FROM drafts WHERE id = ?"
HAS_BLOCK = "SELECT 1 FROM draft_blocks WHERE draft = ? AND key = ?"
PUT_BLOCK = "INSERT INTO draft_blocks (draft, key, packed) VALUES (?, ?, ?)"
BLOCKS = "SELECT packed FROM draft_blocks WHERE draft = ? ORDER BY id"
DELETE_BLOCKS = "DELETE FROM draft_blocks WHERE draft = ?"

PUT_KNOWLEDGE = """INSERT INTO knowledge
        (namespace, key, from_item, reason, to_item, score, uses, source_user, source_position, vector, mind)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (namespace, key) DO UPDATE SET score = max(score, excluded.score), vector = coalesce(vector, excluded.vector)"""
_KNOWLEDGE_COLUMNS = "SELECT from_item, reason, to_item, score, uses, source_user, source_position, vector, key, mind "
_KNOWLEDGE = _KNOWLEDGE_COLUMNS + "FROM knowledge WHERE namespace = ? "
KNOWLEDGE_PAGE = _KNOWLEDGE + "AND key > ? ORDER BY key LIMIT ?"
KNOWLEDGE = _KNOWLEDGE + "AND key = ?"
VECTOR_CHANGES = "SELECT changes FROM vector_changes WHERE namespace = ? AND to_item = ?"
VECTORS_TO = "SELECT key, vector FROM knowledge WHERE namespace = ? AND to_item = ? AND mind = ? AND vector IS NOT NULL"
TOP_KNOWLEDGE = _KNOWLEDGE + "ORDER BY uses DESC, score DESC, key LIMIT ?"
PRUNABLE = "SELECT count(*) FROM knowledge WHERE namespace = ? AND uses <= ? AND score <= ?"
PRUNE = "DELETE FROM knowledge WHERE namespace = ? AND uses <= ? AND score <= ?"
COUNT_USES = "UPDATE knowledge SET uses = uses + ? WHERE namespace = ? AND key = ?"
VECTOR_SPACE = "SELECT encoder, size FROM vector_sizes WHERE namespace = ?"
PUT_VECTOR_SPACE = "INSERT OR REPLACE INTO vector_sizes (namespace, encoder, size) VALUES (?, ?, ?)"
ANY_VECTOR = "SELECT 1 FROM knowledge WHERE namespace = ? AND vector IS NOT NULL LIMIT 1"

PUT_THEME_TEXT = "INSERT OR REPLACE INTO theme_texts (namespace, text, theme) VALUES (?, ?, ?)"
THEME_TEXTS = "SELECT text, theme FROM theme_texts WHERE namespace = ? ORDER BY text"
PUT_PROFILE_SOURCE = """INSERT INTO profile_sources (namespace, name, made, verified, note) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (namespace, name) DO UPDATE SET made = excluded.made, verified = excluded.verified, note = excluded.note"""
PROFILE_SOURCE = "SELECT id FROM profile_sources WHERE namespace = ? AND name = ?"
PROFILE_SOURCES = "SELECT id, name, made, verified, note FROM profile_sources WHERE namespace = ? ORDER BY name"
DELETE_PROFILE_SOURCE = "DELETE FROM profile_sources WHERE id = ?"
PUT_APPEAL = "INSERT INTO appeals (source, item, theme, score, uses) VALUES (?, ?, ?, ?, ?)"
APPEALS = """SELECT source, item, theme, score, uses FROM appeals
    WHERE source IN (SELECT id FROM profile_sources WHERE namespace = ?) ORDER BY source, item, theme"""
DELETE_APPEALS = "DELETE FROM appeals WHERE source = ?"

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
    newest.graphs, newest.accepted, newest.rejected, newest.imagined,
    (SELECT count(*) FROM knowledge WHERE namespace = :namespace),
    (SELECT count(*) FROM runs WHERE namespace = :namespace),
    (SELECT count(*) FROM (SELECT theme FROM theme_texts WHERE namespace = :namespace UNION
        SELECT theme FROM appeals WHERE source IN (SELECT id FROM profile_sources WHERE namespace = :namespace))),
    (SELECT count(*) FROM appeals WHERE source IN (SELECT id FROM profile_sources WHERE namespace = :namespace))
    FROM (SELECT count(*) AS graphs, coalesce(sum(accepted), 0) AS accepted, coalesce(sum(rejected), 0) AS rejected,
            coalesce(sum(imagined), 0) AS imagined
        FROM (SELECT accepted, rejected, imagined, max(version) FROM graphs WHERE namespace = :namespace GROUP BY user)
    ) AS newest"""
"""Beside `max`, SQLite takes the other columns from the row that has the maximum."""

NAMESPACES = """SELECT namespace FROM items UNION SELECT namespace FROM runs UNION SELECT namespace FROM vector_sizes
    UNION SELECT namespace FROM theme_texts UNION SELECT namespace FROM profile_sources ORDER BY namespace"""
FORGET_USER = (
    "DELETE FROM graphs WHERE namespace = :namespace AND user = :user",
    "DELETE FROM draft_blocks WHERE draft IN (SELECT id FROM drafts WHERE namespace = :namespace AND user = :user)",
    "DELETE FROM drafts WHERE namespace = :namespace AND user = :user",
    "DELETE FROM user_statuses WHERE namespace = :namespace AND user = :user",
    "DELETE FROM knowledge WHERE namespace = :namespace AND source_user = :user",
    "DELETE FROM users WHERE namespace = :namespace AND user = :user",
)
FORGET_RUN = (
    "DELETE FROM graphs WHERE namespace = :namespace AND run = :run",
    "DELETE FROM draft_blocks WHERE draft IN (SELECT id FROM drafts WHERE namespace = :namespace AND run = :run)",
    "DELETE FROM drafts WHERE namespace = :namespace AND run = :run",
    "DELETE FROM user_statuses WHERE namespace = :namespace AND run = :run",
    "DELETE FROM runs WHERE namespace = :namespace AND id = :run",
)
FORGET_NAMESPACE = (
    "DELETE FROM draft_blocks WHERE draft IN (SELECT id FROM drafts WHERE namespace = :namespace)",
    "DELETE FROM appeals WHERE source IN (SELECT id FROM profile_sources WHERE namespace = :namespace)",
    *(
        f"DELETE FROM {table} WHERE namespace = :namespace"
        for table in (
            "graphs", "drafts", "profile_sources", "user_statuses", "runs", "theme_texts", "knowledge", "vector_sizes", "users",
            "items",
        )
    ),
)  # fmt: skip
"""`vector_changes` stays: it counts on, so that no other process takes vectors of before for those of a namespace made anew."""


def knowledge_for_pairs(count: int) -> str:
    """For (from item, to item) `count` times, then namespace and mind: one statement is prepared and run in place of many."""
    pairs = ", ".join(["(?, ?)"] * count)
    return (
        f"WITH pairs (first, later) AS (VALUES {pairs}) {_KNOWLEDGE_COLUMNS}"
        "FROM pairs CROSS JOIN knowledge ON from_item = first AND to_item = later WHERE namespace = ? AND mind = ?"
    )
