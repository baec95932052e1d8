"""The Cypher texts of the knowledge base; the habits of `neo4j_cypher` hold here too."""

from __future__ import annotations

from typing import Final

PUT_VECTOR_SPACE: Final = """
MERGE (v:VectorSpace {key: $row.key}) ON CREATE SET v = $row
RETURN v.dimension AS dimension
"""

VECTOR_SPACE: Final = """
MATCH (v:VectorSpace {key: $key})
RETURN v.encoder AS encoder, v.dimension AS dimension
"""

LOCK_VECTOR_SPACE: Final = """
MERGE (v:VectorSpace {key: $row.key}) ON CREATE SET v = $row
SET v.space = $row.space
"""

SET_VECTOR_SPACE: Final = """
MATCH (v:VectorSpace {key: $row.key})
SET v = $row
"""

ANY_VECTOR: Final = """
MATCH (k:Knowledge) WHERE k.space = $space AND k.uses >= 0 AND k.vector IS NOT NULL
RETURN k.key AS key LIMIT 1
"""

PUT_KNOWLEDGE: Final = """
UNWIND $rows AS row
MERGE (k:Knowledge {key: row.key}) ON CREATE SET k = row
SET k.space = row.space
"""

RAISE_SCORES: Final = """
UNWIND $rows AS row
MATCH (k:Knowledge {key: row.key}) WHERE k.score < row.score
SET k.score = row.score
"""

FILL_VECTORS: Final = """
UNWIND $rows AS row
MATCH (k:Knowledge {key: row.key}) WHERE k.vector IS NULL
SET k.vector = row.vector
"""

LINK_ITEM_TO_KNOWLEDGE: Final = """
UNWIND $rows AS row
MATCH (k:Knowledge {key: row.key})
MATCH (i:Item {key: row.to})
MERGE (i)-[:KNOWN_FOR]->(k)
"""

LINK_KNOWLEDGE_TO_ITEM: Final = """
UNWIND $rows AS row
MATCH (k:Knowledge {key: row.key})
MATCH (i:Item {key: row.to})
MERGE (k)-[:LEADS_TO]->(i)
"""

KNOWLEDGE_PAGE: Final = """
MATCH (k:Knowledge) WHERE k.space = $space AND k.id > $after
WITH k ORDER BY k.space, k.id LIMIT $limit
RETURN k.from_item AS from_item, k.reason AS reason, k.to_item AS to_item, k.score AS score, k.uses AS uses,
       k.source_user AS source_user, k.source_position AS source_position, k.vector AS vector, k.mind AS mind
"""

KNOWLEDGE_FOR: Final = """
UNWIND $pairs AS pair
MATCH (k:Knowledge {pair: pair}) WHERE k.mind = $mind
RETURN k.from_item AS from_item, k.reason AS reason, k.to_item AS to_item, k.score AS score, k.uses AS uses,
       k.source_user AS source_user, k.source_position AS source_position, k.vector AS vector, k.mind AS mind
"""

NEAREST_KNOWLEDGE: Final = """
MATCH (k:Knowledge {target: $target}) WHERE k.mind = $mind AND k.vector IS NOT NULL
WITH k, 2.0 * vector.similarity.cosine(k.vector, $vector) - 1.0 AS cosine
ORDER BY cosine DESC, k.id LIMIT $limit
RETURN cosine, k.from_item AS from_item, k.reason AS reason, k.to_item AS to_item, k.score AS score, k.uses AS uses,
       k.source_user AS source_user, k.source_position AS source_position, k.vector AS vector, k.mind AS mind
"""

TOP_KNOWLEDGE: Final = """
MATCH (k:Knowledge) WHERE k.space = $space AND k.uses >= 0
WITH k ORDER BY k.space DESC, k.uses DESC, k.score DESC, k.id LIMIT $limit
RETURN k.from_item AS from_item, k.reason AS reason, k.to_item AS to_item, k.score AS score, k.uses AS uses,
       k.source_user AS source_user, k.source_position AS source_position, k.vector AS vector, k.mind AS mind
"""

PRUNABLE: Final = """
MATCH (k:Knowledge) WHERE k.space = $space AND k.uses <= $max_uses AND k.score <= $max_score
RETURN count(k) AS found
"""

PRUNE: Final = """
MATCH (k:Knowledge) WHERE k.space = $space AND k.uses <= $max_uses AND k.score <= $max_score
WITH k ORDER BY k.key LIMIT $limit
DETACH DELETE k
RETURN count(*) AS found
"""

LOCK_KNOWLEDGE: Final = """
UNWIND $rows AS row
MATCH (k:Knowledge {key: row.key})
SET k.space = $space
"""

COUNT_USES: Final = """
UNWIND $rows AS row
MATCH (k:Knowledge {key: row.key})
SET k.uses = k.uses + row.uses
"""
