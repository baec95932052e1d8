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
RETURN i.id AS id, i.title AS title, i.attribute_names AS names, i.attribute_values AS values
"""

PUT_USERS: Final = """
UNWIND $rows AS row
MERGE (u:User {key: row.key}) ON CREATE SET u.version = 0, u.sizes = [0, 0, 0]
SET u += row
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
DETACH DELETE s
"""

CREATE_REASONS: Final = """
MATCH (u:User {key: $user})
UNWIND $rows AS row
CREATE (u)-[:HAS]->(s:Reason)
SET s = row
"""

CREATE_REJECTED: Final = """
MATCH (u:User {key: $user})
UNWIND $rows AS row
CREATE (u)-[:REJECTED]->(s:RejectedReason)
SET s = row
"""

PUT_ATTRIBUTES: Final = """
UNWIND $rows AS row
MERGE (a:Attribute {key: row.key}) ON CREATE SET a = row
"""

LINK_REASON_TO_ITEM: Final = """
UNWIND $rows AS row
MATCH (s:Reason {key: row.step})
MATCH (i:Item {key: row.to})
CREATE (s)-[:LEADS_TO]->(i)
"""

LINK_ITEM_TO_REASON: Final = """
UNWIND $rows AS row
MATCH (s:Reason {key: row.step})
MATCH (i:Item {key: row.to})
CREATE (i)-[:LEADS_TO]->(s)
"""

LINK_ATTRIBUTE_TO_REASON: Final = """
UNWIND $rows AS row
MATCH (s:Reason {key: row.step})
MATCH (a:Attribute {key: row.to})
CREATE (a)-[:LEADS_TO]->(s)
"""

LINK_REJECTED_TO_ITEM: Final = """
UNWIND $rows AS row
MATCH (s:RejectedReason {key: row.step})
MATCH (i:Item {key: row.to})
CREATE (s)-[:ABOUT]->(i)
"""

LINK_REASON_TO_KNOWLEDGE: Final = """
UNWIND $rows AS row
MATCH (s:Reason {key: row.step})
MATCH (k:Knowledge {pair: row.pair}) WHERE k.reason = s.reason
CREATE (s)-[:REUSES]->(k)
"""

LINK_RUN_TO_REASON: Final = """
MATCH (r:Run {key: $run})
UNWIND $rows AS row
MATCH (s:Reason {key: row.step})
CREATE (r)-[:MADE]->(s)
"""

PUT_PACKED_GRAPH: Final = """
MERGE (g:PackedGraph {key: $row.key})
SET g = $row
"""

PACKED_GRAPHS: Final = """
UNWIND $keys AS key
MATCH (g:PackedGraph {key: key})
RETURN g.data AS data
"""

DELETE_PACKED_GRAPH: Final = """
MATCH (g:PackedGraph {key: $key})
DELETE g
"""

# -- drafts ---------------------------------------------------------------------------------------------------------------
LOCK_DRAFT: Final = """
MERGE (d:Draft {key: $row.key}) ON CREATE SET d = $row, d.steps = [], d.through = 0, d.blocks = []
SET d.space = $row.space
"""

DRAFT_STATE: Final = """
MATCH (d:Draft {key: $key})
RETURN d.through AS through, $block IN coalesce(d.blocks, []) AS repeated
"""

APPEND_DRAFT: Final = """
MATCH (d:Draft {key: $key})
SET d.steps = d.steps + [step IN $steps WHERE NOT step IN d.steps],
    d.blocks = coalesce(d.blocks, []) + $block,
    d.through = $through
"""

DRAFT: Final = """
MATCH (d:Draft {key: $key})
RETURN d.steps AS steps, d.through AS through
"""

DELETE_DRAFT: Final = """
MATCH (d:Draft {key: $key})
DELETE d
"""

# -- runs -----------------------------------------------------------------------------------------------------------------
PUT_RUN: Final = """
MERGE (r:Run {key: $row.key})
SET r = $row
"""

RUN: Final = """
MATCH (r:Run {key: $key})
RETURN r.id AS id, r.status AS status, r.settings AS settings, r.costs AS costs, r.started_at AS started_at,
       r.ended_at AS ended_at
"""

RUNS: Final = """
MATCH (r:Run {space: $space})
RETURN r.id AS id, r.status AS status, r.settings AS settings, r.costs AS costs, r.started_at AS started_at,
       r.ended_at AS ended_at
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

# -- migrations ----------------------------------------------------------------------------------------------------------
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

KNOWLEDGE_OF_NOBODY: Final = """
MATCH (k:Knowledge) WHERE k.key > $after AND k.mind IS NULL
RETURN k.key AS key ORDER BY k.key LIMIT $limit
"""

REASONS: Final = """
MATCH (s:Reason) WHERE s.key > $after
RETURN s.key AS key, s.namespace AS namespace, s.reason AS reason ORDER BY s.key LIMIT $limit
"""

SET_WORDINGS: Final = """
UNWIND $rows AS row
MATCH (s:Reason {key: row.key})
SET s += row
"""

SET_MIND: Final = """
UNWIND $rows AS row
MATCH (k:Knowledge {key: row.key})
SET k.mind = $mind
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
