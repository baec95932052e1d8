"""The Cypher texts that look for what is wrong in the Neo4j store; the habits of `neo4j_cypher` hold here too."""

from __future__ import annotations

from typing import Final

STRAY_STEPS: Final = """
MATCH (s:Reason|RejectedReason) WHERE NOT EXISTS { MATCH (:User)-[:HAS|REJECTED]->(s) }
RETURN elementId(s) AS key, s.name AS example
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

USERS_OF_OTHER_GRAPHS: Final = """
MATCH (u:User)
OPTIONAL MATCH (g:PackedGraph {user_key: u.key})
WITH u, coalesce(max(g.version), 0) AS newest WHERE u.version <> newest
RETURN u.key AS key, u.id AS example, u.namespace AS namespace
"""

OWNERLESS_GRAPHS: Final = """
MATCH (g:PackedGraph) WHERE NOT EXISTS { MATCH (:User {key: g.user_key}) }
RETURN g.key AS key, g.user AS example
"""

PACKED_GRAPHS: Final = """
MATCH (g:PackedGraph) WHERE g.key > $after
RETURN g.key AS key, g.namespace AS namespace, g.user AS user, g.run AS run, g.version AS version, g.data AS data
ORDER BY g.key LIMIT $limit
"""

DRAFTS: Final = """
MATCH (d:Draft) WHERE d.key > $after
RETURN d.key AS key, d.user AS user, d.data AS data ORDER BY d.key LIMIT $limit
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
OPTIONAL MATCH (g:PackedGraph {user_key: row.wanted})
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

DELETE_STEPS_OF_KEYS: Final = """
UNWIND $rows AS row
MATCH (s:Reason|RejectedReason) WHERE elementId(s) = row.key
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

# -- themes and profiles ----------------------------------------------------------------------------------------------------
PACKED_PROFILES: Final = """
MATCH (p:ProfileSource)
RETURN p.key AS key, p.namespace AS namespace, p.id AS name, p.data AS data
"""

PACKED_PROFILE: Final = """
MATCH (p:ProfileSource {key: $key})
RETURN p.data AS data
"""

SET_PACKED_PROFILE: Final = """
MATCH (p:ProfileSource {key: $key})
SET p.data = $data, p.appeals = $appeals
"""

LACKING_ITEM: Final = """
UNWIND $rows AS row
OPTIONAL MATCH (i:Item {key: row.item_key})
WITH row, i WHERE i IS NULL
RETURN row
"""

APPEALS: Final = """
MATCH (i:Item)-[a:APPEALS_FOR]->(t:Theme)
RETURN elementId(a) AS key, t.name AS example, a.source_key AS source_key, i.key AS item, t.key AS theme
"""

DELETE_APPEALS: Final = """
UNWIND $rows AS row
MATCH ()-[a:APPEALS_FOR]->() WHERE elementId(a) = row.key
DELETE a
"""

THEMES_WITHOUT_A_NAME: Final = """
MATCH (t:Theme) WHERE trim(coalesce(t.id, $blank)) = $blank
RETURN elementId(t) AS key, coalesce(t.key, elementId(t)) AS example
"""

DELETE_THEMES: Final = """
UNWIND $rows AS row
MATCH (t:Theme) WHERE elementId(t) = row.key
DETACH DELETE t
"""

TEXTS_WITHOUT_THEIR_THEME: Final = """
MATCH (x:ThemeText) WHERE NOT EXISTS { MATCH (:Theme {key: x.theme_key}) }
RETURN x.key AS key, x.name AS example, x.namespace AS namespace, x.theme AS theme
"""

UNUSED_THEMES: Final = """
MATCH (t:Theme)
WHERE NOT EXISTS { MATCH (:Item)-[:APPEALS_FOR]->(t) } AND NOT EXISTS { MATCH (:ThemeText {theme_key: t.key}) }
RETURN t.key AS key, t.name AS example, t.namespace AS namespace
"""

REASONS_WITHOUT_THEIR_THEME: Final = """
MATCH (s:Reason)
OPTIONAL MATCH (own:Theme {wording: s.wording})
OPTIONAL MATCH (x:ThemeText {wording: s.wording, text: s.name})
WITH s, coalesce(x.theme_key, own.key) AS wanted
MATCH (t:Theme {key: wanted})
WHERE NOT EXISTS { MATCH (s)-[:OF]->(t) }
RETURN elementId(s) AS key, s.name AS example
"""

FORGET_THEMES: Final = """
UNWIND $rows AS row
MATCH (s:Reason)-[of:OF]->(:Theme) WHERE elementId(s) = row.key
DELETE of
"""
