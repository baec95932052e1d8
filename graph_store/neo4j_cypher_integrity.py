"""The Cypher texts that look for what is wrong in the Neo4j store; the habits of `neo4j_cypher` hold here too."""

from __future__ import annotations

from typing import Final

STRAY_STEPS: Final = """
MATCH (s:Reason|RejectedReason) WHERE NOT EXISTS { MATCH (:User)-[:HAS|REJECTED]->(s) }
RETURN s.key AS key, s.name AS example
"""

USERS_OF_TORN_GRAPHS: Final = """
MATCH (u:User) WHERE u.version > 0
AND (COUNT { MATCH (u)-[:HAS]->(:Reason)-[:LEADS_TO]->(:Item) } <> u.sizes[0] + u.sizes[2]
  OR COUNT { MATCH (u)-[:REJECTED]->(:RejectedReason)-[:ABOUT]->(:Item) } <> u.sizes[1])
RETURN u.key AS key, u.id AS example, u.namespace AS namespace
"""

HISTORIES_WITH_COUNTS: Final = """
MATCH (u:User)
RETURN u.key AS key, u.id AS example, u.id AS user, u.namespace AS namespace, u.history AS history,
       COUNT { MATCH (u)-[:TOOK]->(:Item) } AS taken
"""

USERS_WITH_A_GRAPH: Final = """
MATCH (u:User) WHERE u.version > 0
RETURN u.key AS key, u.id AS user, u.namespace AS namespace
"""

PACKED_OWNERS: Final = """
MATCH (g:PackedGraph)
RETURN g.key AS key, g.user AS user, g.namespace AS namespace
"""

DRAFT_OWNERS: Final = """
MATCH (d:Draft)
RETURN d.key AS key, d.user AS user, d.namespace AS namespace
"""

DONE_OWNERS: Final = """
MATCH (s:UserStatus {status: $done})
RETURN s.key AS key, s.user AS user, s.namespace AS namespace
"""

LACKING_USER: Final = """
UNWIND $rows AS row
OPTIONAL MATCH (u:User {key: row.wanted})
WITH row, u WHERE u IS NULL
RETURN row.key AS key, row.user AS example
"""

LACKING_GRAPH: Final = """
UNWIND $rows AS row
OPTIONAL MATCH (g:PackedGraph {key: row.wanted})
WITH row, g WHERE g IS NULL
RETURN row.key AS key, row.user AS example
"""

STRAY_STATUSES: Final = """
MATCH (s:UserStatus) WHERE NOT EXISTS { MATCH (:Run {key: s.run_key}) }
RETURN s.key AS key, s.run AS example
"""

UNLINKED_KNOWLEDGE: Final = """
MATCH (k:Knowledge)
WHERE NOT EXISTS { MATCH (:Item)-[:KNOWN_FOR]->(k) } OR NOT EXISTS { MATCH (k)-[:LEADS_TO]->(:Item) }
RETURN k.key AS key, k.name AS example, k.namespace AS namespace, k.from_item AS from_item, k.to_item AS to_item
"""

KNOWLEDGE_WITHOUT_SOURCE: Final = """
MATCH (k:Knowledge) WHERE k.source_user = $nobody
RETURN k.key AS key, k.name AS example
"""

INDEXES: Final = "SHOW INDEXES YIELD name, state RETURN name, state"

DROP_CONSTRAINT: Final = "DROP CONSTRAINT $name IF EXISTS"
DROP_INDEX: Final = "DROP INDEX $name IF EXISTS"

DELETE_STEPS_OF_KEYS: Final = """
UNWIND $rows AS row
MATCH (s:Reason|RejectedReason {key: row.key})
DETACH DELETE s
"""

DELETE_PACKED: Final = """
UNWIND $rows AS row
MATCH (g:PackedGraph {key: row.key})
DELETE g
"""

DELETE_DRAFTS: Final = """
UNWIND $rows AS row
MATCH (d:Draft {key: row.key})
DELETE d
"""

DELETE_STATUSES: Final = """
UNWIND $rows AS row
MATCH (s:UserStatus {key: row.key})
DELETE s
"""

MARK_PENDING: Final = """
UNWIND $rows AS row
MATCH (s:UserStatus {key: row.key})
SET s.status = $pending
"""

DELETE_KNOWLEDGE: Final = """
UNWIND $rows AS row
MATCH (k:Knowledge {key: row.key})
DETACH DELETE k
"""
