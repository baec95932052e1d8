"""Every Cypher text of the Neo4j store, but those of the knowledge base (`neo4j_cypher_knowledge`) and of themes.

They name only labels and relation kinds of `neo4j_labels`. They are literals: no value is ever written into one, values travel
as parameters only, and the type checker refuses any text that is not a literal (`LiteralString`). They run unchanged on 5.26 LTS
and on 2026 releases.

Habits of all of them: a node is found by its hashed `key`; rows come sorted by key, so that two writers lock in one order; nodes
are made before relations; a lock is taken by setting a constant, in a statement before the one that reads what the lock protects.
"""

from __future__ import annotations

from typing import Final

# -- items and users ------------------------------------------------------------------------------------------------------
PUT_ITEMS: Final = """
UNWIND $rows AS row
MERGE (i:Item {key: row.key})
SET i = row
"""

ITEMS: Final = """
MATCH (i:Item {space: $space})
RETURN i.id AS id, i.title AS title, i.attributes_json AS attributes_json
"""

PUT_USERS: Final = """
UNWIND $rows AS row
MERGE (u:User {key: row.key}) ON CREATE SET u.version = 0, u.sizes = [0, 0, 0]
SET u.space = row.space
"""

SET_USERS: Final = """
UNWIND $rows AS row
MATCH (u:User {key: row.key})
WITH row, u, u.version AS version, u.sizes AS sizes, u.run AS run
SET u = row
SET u.version = version, u.sizes = sizes, u.run = run
"""

FORGET_HISTORIES: Final = """
UNWIND $rows AS row
MATCH (:User {key: row.key})-[took:TOOK]->(:Item)
DELETE took
"""

PUT_TAKEN: Final = """
UNWIND $rows AS row
MATCH (u:User {key: row.user})
MATCH (i:Item {key: row.item})
CREATE (u)-[:TOOK {position: row.position, at: row.at}]->(i)
"""

ITEMS_MISSING: Final = """
UNWIND $rows AS row
OPTIONAL MATCH (i:Item {key: row.key})
WITH row, i WHERE i IS NULL
RETURN row.id AS id LIMIT 1
"""

HISTORIES: Final = """
UNWIND $keys AS key
MATCH (u:User {key: key})
RETURN u.id AS user, u.history AS history
"""

USERS: Final = """
MATCH (u:User) WHERE u.space = $space AND u.sort >= $sort AND (u.sort > $sort OR u.sort_rest > $sort_rest)
RETURN u.id AS id ORDER BY u.space, u.sort, u.sort_rest LIMIT $limit
"""

# -- graphs ---------------------------------------------------------------------------------------------------------------
LOCK_USER: Final = """
MATCH (u:User {key: $key})
SET u.space = $space
"""

GRAPH_STATE: Final = """
MATCH (u:User {key: $key})
RETURN u.version AS version
"""

SET_GRAPH_STATE: Final = """
MATCH (u:User {key: $key})
SET u.version = $version, u.sizes = $sizes, u.run = $run
"""

DELETE_STEPS: Final = """
MATCH (:User {key: $key})-[:HAS|REJECTED]->(s:Reason|RejectedReason)
OPTIONAL MATCH (a:Attribute)-[:LEADS_TO]->(s)
WITH s, a.key AS attribute
DETACH DELETE s
RETURN DISTINCT attribute
"""

CREATE_REASONS: Final = """
MATCH (u:User {key: $user})
UNWIND $rows AS row
MATCH (i:Item {key: row.item})
CREATE (u)-[:HAS]->(s:Reason)-[:LEADS_TO]->(i)
SET s = row.step
WITH s, row ORDER BY row.cause
OPTIONAL MATCH (c:Item {key: row.cause})
FOREACH (cause IN CASE WHEN c IS NULL THEN [] ELSE [c] END | CREATE (cause)-[:LEADS_TO]->(s))
WITH s, row ORDER BY row.attribute
OPTIONAL MATCH (a:Attribute {key: row.attribute})
FOREACH (attribute IN CASE WHEN a IS NULL THEN [] ELSE [a] END | CREATE (attribute)-[:LEADS_TO]->(s))
WITH s, row ORDER BY row.own_theme
OPTIONAL MATCH (x:ThemeText {key: row.text})
OPTIONAL MATCH (t:Theme {key: coalesce(x.theme_key, row.own_theme)})
FOREACH (theme IN CASE WHEN t IS NULL THEN [] ELSE [t] END | CREATE (s)-[:OF]->(theme))
WITH s, row WHERE row.pair IS NOT NULL
MATCH (k:Knowledge {pair: row.pair}) WHERE k.reason = s.name
CREATE (s)-[:REUSES]->(k)
"""

CREATE_REJECTED: Final = """
MATCH (u:User {key: $user})
UNWIND $rows AS row
MATCH (i:Item {key: row.item})
CREATE (u)-[:REJECTED]->(s:RejectedReason)-[:ABOUT]->(i)
SET s = row.step
"""

PUT_ATTRIBUTES: Final = """
UNWIND $rows AS row
MERGE (a:Attribute {key: row.key}) ON CREATE SET a = row
"""

PUBLISH: Final = """
MATCH (u:User {key: $row.user_key})
SET u.version = $row.version, u.sizes = $sizes, u.run = $row.run
MERGE (g:PackedGraph {key: $row.key})
SET g = $row
WITH g
MATCH (d:Draft {key: $draft})
DELETE d
"""

GRAPHS_OF_RUN: Final = """
UNWIND $keys AS key
MATCH (g:PackedGraph {key: key})
RETURN g.data AS data
"""

NEWEST_GRAPHS: Final = """
UNWIND $keys AS key
CALL (key) {
  MATCH (g:PackedGraph {user_key: key})
  RETURN g ORDER BY g.version DESC LIMIT 1
}
RETURN g.data AS data
"""

GRAPHS_OF_USER: Final = """
MATCH (g:PackedGraph {user_key: $key})
RETURN g.key AS key, g.data AS data ORDER BY g.version DESC
"""

GRAPHS_BY_RUN: Final = """
MATCH (g:PackedGraph) WHERE g.space = $space AND g.run_key > $before
RETURN g.run AS run, count(*) AS graphs ORDER BY run
"""

DELETE_PACKED_GRAPH: Final = """
MATCH (g:PackedGraph {key: $key})
WITH g, g.version AS version
DELETE g
RETURN version
"""

# -- drafts ---------------------------------------------------------------------------------------------------------------
LOCK_DRAFT: Final = """
MERGE (d:Draft {key: $row.key}) ON CREATE SET d = $row, d.through = 0, d.blocks = []
SET d.space = $row.space
"""

DRAFT_STATE: Final = """
MATCH (d:Draft {key: $key})
RETURN d.through AS through, $block IN d.blocks AS repeated, d.data AS data
"""

APPEND_DRAFT: Final = """
MATCH (d:Draft {key: $key})
SET d.data = $data, d.blocks = d.blocks + $block, d.through = $through
"""

DRAFT: Final = """
MATCH (d:Draft {key: $key})
RETURN d.data AS data, d.through AS through
"""

# -- recommendations ------------------------------------------------------------------------------------------------------
FORGET_RECOMMENDATIONS: Final = """
MATCH (:User {key: $user})-[r:RECOMMENDED {model: $model}]->(:Item)
DELETE r
"""

RECOMMEND: Final = """
MATCH (u:User {key: $user})
UNWIND $rows AS row
MATCH (i:Item {key: row.item})
CREATE (u)-[:RECOMMENDED {rank: row.rank, score: row.score, model: $model, at: $at}]->(i)
"""

# -- runs -----------------------------------------------------------------------------------------------------------------
PUT_RUN: Final = """
MERGE (r:Run {key: $row.key})
SET r = $row
"""

RUN: Final = """
MATCH (r:Run {key: $key})
RETURN r.id AS id, r.status AS status, r.settings AS settings, r.costs AS costs, r.seconds AS seconds
"""

RUNS: Final = """
MATCH (r:Run {space: $space})
RETURN r.id AS id, r.status AS status, r.settings AS settings, r.costs AS costs, r.seconds AS seconds
"""

SET_USER_STATUS: Final = """
MATCH (:Run {key: $row.run_key})
MERGE (s:UserStatus {key: $row.key})
SET s = $row
RETURN count(s) AS found
"""

USER_STATUSES: Final = """
MATCH (s:UserStatus {run_key: $run_key})
RETURN s.user AS user, s.status AS status, s.cause AS cause
"""

# -- the store itself -----------------------------------------------------------------------------------------------------
COUNTS: Final = """
RETURN COUNT { MATCH (i:Item {space: $space}) } AS items,
       COUNT { MATCH (k:Knowledge {space: $space}) } AS knowledge,
       COUNT { MATCH (r:Run {space: $space}) } AS runs,
       COUNT { MATCH (t:Theme {space: $space}) } AS themes
"""

COUNT_APPEALS: Final = """
MATCH (p:ProfileSource {space: $space})
RETURN sum(p.appeals) AS appeals
"""

COUNT_GRAPHS: Final = """
MATCH (u:User {space: $space})
RETURN count(u) AS users, sum(CASE WHEN u.version > 0 THEN 1 ELSE 0 END) AS graphs,
       sum(u.sizes[0]) AS accepted, sum(u.sizes[1]) AS rejected, sum(u.sizes[2]) AS imagined
"""

SERVER: Final = """
CALL dbms.components() YIELD name, versions, edition
WHERE name = 'Neo4j Kernel'
RETURN versions[0] AS version, edition
"""

ANY_USER: Final = """
MATCH (u:User {space: $space})
RETURN u.id AS id LIMIT 1
"""

SCHEMA_VERSION: Final = """
MATCH (s:LlmrgSchema {key: 'schema'})
RETURN s.version AS version
"""

SET_SCHEMA_VERSION: Final = """
MERGE (s:LlmrgSchema {key: 'schema'}) ON CREATE SET s.name = 'LLMRG schema'
SET s.version = $version
"""

FOREIGN_LABEL: Final = """
MATCH (n) WHERE n:User OR n:Item OR n:Attribute OR n:Reason OR n:RejectedReason OR n:Knowledge OR n:Run OR n:UserStatus OR n:Draft
  OR n:PackedGraph OR n:Theme OR n:ThemeText OR n:ProfileSource
RETURN labels(n)[0] AS label LIMIT 1
"""

WAIT_FOR_INDEXES: Final = "CALL db.awaitIndexes($timeout_s)"
