"""The Cypher texts that bring an older schema forward; the habits of `neo4j_cypher` hold here too."""

from __future__ import annotations

from typing import Final

# -- to version 2 -----------------------------------------------------------------------------------------------------------
USERS_WITH_GRAPHS: Final = """
MATCH (u:User) WHERE u.key > $after AND u.version > 0
RETURN u.key AS key, u.namespace AS namespace ORDER BY u.key LIMIT $limit
"""

STEPS_OF_NODES: Final = """
MATCH (u:User {key: $key})
CALL (u) {
  MATCH (u)-[:HAS|REJECTED]->(s:Reason|RejectedReason)
  WITH s ORDER BY s.rank
  RETURN collect([s.position, s.kind, s.cause_kind, s.cause, s.cause_position, s.reason, s.item, s.score, s.chain, s.seen,
                  s.accepted, s.why_rejected, s.origin, s.grounding]) AS steps
}
RETURN u.id AS user, u.run AS run, u.version AS version, steps
"""

PUT_PACKED_GRAPH: Final = """
MERGE (g:PackedGraph {key: $row.key})
SET g = $row
"""

# -- to version 3 -----------------------------------------------------------------------------------------------------------
KNOWLEDGE_OF_NOBODY: Final = """
MATCH (k:Knowledge) WHERE k.key > $after AND k.mind IS NULL
RETURN k.key AS key ORDER BY k.key LIMIT $limit
"""

SET_MIND: Final = """
UNWIND $rows AS row
MATCH (k:Knowledge {key: row.key})
SET k.mind = $mind
"""

# -- to version 4 -----------------------------------------------------------------------------------------------------------
DROP_CONSTRAINT: Final = "DROP CONSTRAINT $name IF EXISTS"
DROP_INDEX: Final = "DROP INDEX $name IF EXISTS"

ITEMS_OF_3: Final = """
MATCH (i:Item) WHERE i.key > $after AND i.attribute_names IS NOT NULL AND i.attributes_json IS NULL
RETURN i.key AS key, i.namespace AS namespace, i.id AS id, i.title AS title,
       i.attribute_names AS names, i.attribute_values AS values
ORDER BY i.key LIMIT $limit
"""

SET_ITEMS: Final = """
UNWIND $rows AS row
MATCH (i:Item {key: row.key})
SET i = row
"""

USERS_OF_3: Final = """
MATCH (u:User) WHERE u.key > $after AND u.attributes IS NOT NULL
RETURN u.key AS key, u.namespace AS namespace, u.id AS user, u.history AS history ORDER BY u.key LIMIT $limit
"""

GRAPH_OF_3: Final = """
MATCH (g:PackedGraph {key: $key}) WHERE g.user_key IS NULL
RETURN g.data AS data
"""

SET_PACKED_GRAPH: Final = """
MATCH (g:PackedGraph {key: $key})
SET g = $row
"""

THEMES_OF_3: Final = """
MATCH (t:Theme) WHERE t.key > $after AND t.wording IS NULL
RETURN t.key AS key, t.key AS theme_key ORDER BY t.key LIMIT $limit
"""

SET_WORDINGS_OF_THEMES: Final = """
UNWIND $rows AS row
MATCH (t:Theme {key: row.key})
SET t.wording = row.wording
"""

TEXTS_OF_3: Final = """
MATCH (x:ThemeText) WHERE x.key > $after AND x.wording IS NULL
RETURN x.key AS key, x.wording_key AS theme_key ORDER BY x.key LIMIT $limit
"""

SET_WORDINGS_OF_TEXTS: Final = """
UNWIND $rows AS row
MATCH (x:ThemeText {key: row.key})
SET x.wording = row.wording
REMOVE x.wording_key
"""

DRAFTS_OF_3: Final = """
MATCH (d:Draft) WHERE d.key > $after AND d.steps IS NOT NULL
RETURN d.key AS key, d.user AS user, d.run AS run, d.steps AS steps ORDER BY d.key LIMIT $limit
"""

SET_DRAFTS: Final = """
UNWIND $rows AS row
MATCH (d:Draft {key: row.key})
SET d.data = row.data, d.blocks = coalesce(d.blocks, [])
REMOVE d.steps
"""

RUNS_OF_3: Final = """
MATCH (r:Run) WHERE r.key > $after AND r.seconds IS NULL
RETURN r.key AS key, r.started_at AS started_at, r.ended_at AS ended_at ORDER BY r.key LIMIT $limit
"""

SET_TIMES: Final = """
UNWIND $rows AS row
MATCH (r:Run {key: row.key})
SET r += row
"""
