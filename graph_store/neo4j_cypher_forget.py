"""The Cypher texts that delete a user, a run or a namespace; the habits of `neo4j_cypher` hold here too."""

from __future__ import annotations

from typing import Final

NAMESPACES: Final = """
MATCH (n:Item|Run|VectorSpace|ThemeText|ProfileSource)
RETURN DISTINCT n.namespace AS namespace
"""

FORGET_GRAPHS: Final = """
MATCH (g:PackedGraph {user_key: $key})
DELETE g
"""

LOCK_ATTRIBUTES: Final = """
UNWIND $keys AS key
MATCH (a:Attribute {key: key})
SET a.space = $space
"""

DELETE_UNUSED_ATTRIBUTES: Final = """
UNWIND $keys AS key
MATCH (a:Attribute {key: key}) WHERE NOT EXISTS { MATCH (a)-[:LEADS_TO]->(:Reason) }
DELETE a
"""

FORGET_DRAFTS_AND_STATUSES: Final = """
MATCH (n:Draft|UserStatus {space: $space, user: $user})
DELETE n
RETURN count(*) AS found
"""

FORGET_KNOWLEDGE: Final = """
MATCH (k:Knowledge {space: $space, source_user: $user})
DETACH DELETE k
RETURN count(*) AS found
"""

FORGET_USER: Final = """
MATCH (u:User {key: $key})
DETACH DELETE u
RETURN count(*) AS found
"""

KEYS_OF_GRAPHS_OF_RUN: Final = """
MATCH (g:PackedGraph {space: $space, run_key: $run_key})
RETURN g.key AS key, g.user_key AS user_key ORDER BY user_key LIMIT $limit
"""

FORGET_DRAFTS_OF_RUN: Final = """
MATCH (d:Draft {space: $space, run: $run})
DELETE d
RETURN count(*) AS found
"""

FORGET_RUN: Final = """
MATCH (n:Run|UserStatus) WHERE n.space = $space AND (n.key = $run_key OR n.run_key = $run_key)
DETACH DELETE n
RETURN count(*) AS found
"""

FORGET_STEPS: Final = """
MATCH (:User {space: $space})-[:HAS|REJECTED]->(s:Reason|RejectedReason)
WITH s LIMIT $limit
DETACH DELETE s
RETURN count(*) AS found
"""

FORGET_NAMESPACE: Final = """
MATCH (n:PackedGraph|Draft|UserStatus|Attribute|Knowledge|User|Theme|ThemeText|ProfileSource|VectorSpace|Run|Item {space: $space})
WITH n LIMIT $limit
DETACH DELETE n
RETURN count(*) AS found
"""
