"""The Cypher texts that delete a user or a namespace; the habits of `neo4j_cypher` hold here too."""

from __future__ import annotations

from typing import Final

NAMESPACES: Final = """
MATCH (n:Item|Run|VectorSpace|ThemeText|ProfileSource)
RETURN DISTINCT n.namespace AS namespace
"""

ATTRIBUTES_OF_USER: Final = """
MATCH (:User {key: $key})-[:HAS]->(:Reason)<-[:LEADS_TO]-(a:Attribute)
RETURN DISTINCT a.key AS key ORDER BY key
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

FORGET_NAMESPACE: Final = """
MATCH (n:PackedGraph|Draft|UserStatus|Reason|RejectedReason|Attribute|Knowledge|User|Theme|ThemeText|ProfileSource|VectorSpace|
         Run|Item {space: $space})
WITH n LIMIT $limit
DETACH DELETE n
RETURN count(*) AS found
"""
