"""The Cypher texts of themes and profiles; the habits of `neo4j_cypher` hold here too."""

from __future__ import annotations

from typing import Final

# -- wordings ---------------------------------------------------------------------------------------------------------------
PUT_THEMES: Final = """
UNWIND $rows AS row
MERGE (t:Theme {key: row.key}) ON CREATE SET t = row
SET t.space = row.space
"""

LOCK_THEME_TEXTS: Final = """
UNWIND $rows AS row
MERGE (x:ThemeText {key: row.key}) ON CREATE SET x = row
SET x.space = row.space
"""

THEMES_LEFT_BY_TEXTS: Final = """
UNWIND $rows AS row
MATCH (x:ThemeText {key: row.key}) WHERE x.theme_key <> row.theme_key
RETURN DISTINCT x.theme_key AS key
"""

SET_THEME_TEXTS: Final = """
UNWIND $rows AS row
MATCH (x:ThemeText {key: row.key})
SET x = row
"""

THEME_TEXTS: Final = """
MATCH (x:ThemeText {space: $space})
RETURN x.text AS text, x.theme AS theme
"""

# -- profiles ---------------------------------------------------------------------------------------------------------------
SET_PROFILE: Final = """
MERGE (p:ProfileSource {key: $row.key})
SET p = $row
"""

LOCK_PROFILE: Final = """
MATCH (p:ProfileSource {key: $key})
SET p.key = $key
"""

PROFILE_GENERATION: Final = """
MATCH (p:ProfileSource {key: $key})
RETURN p.generation AS generation
"""

DELETE_PROFILE: Final = """
MATCH (p:ProfileSource {key: $key})
DELETE p
RETURN count(*) AS found
"""

PROFILES: Final = """
MATCH (p:ProfileSource {space: $space})
RETURN p.id AS name, p.made AS made, p.verified AS verified, p.note AS note, p.data AS data
"""

FORGET_APPEALS: Final = """
MATCH (:Item)-[a:APPEALS_FOR {source_key: $key}]->(t:Theme)
WITH a, t, t.key AS key LIMIT $limit
DELETE a
RETURN DISTINCT key
"""

LINK_APPEALS: Final = """
UNWIND $rows AS row
MATCH (i:Item {key: row.item})
MATCH (t:Theme {key: row.theme})
CREATE (i)-[:APPEALS_FOR {source_key: row.source_key, source: row.source, score: row.score, uses: row.uses}]->(t)
"""

# -- what follows from both ---------------------------------------------------------------------------------------------------
LOCK_THEMES: Final = """
UNWIND $rows AS row
MATCH (t:Theme {key: row.key})
SET t.space = row.space
"""

DELETE_UNUSED_THEMES: Final = """
UNWIND $rows AS row
MATCH (t:Theme {key: row.key})
WHERE NOT EXISTS { MATCH (:Item)-[:APPEALS_FOR]->(t) } AND NOT EXISTS { MATCH (:ThemeText {theme_key: row.key}) }
DETACH DELETE t
"""

LINK_REASONS_OF_TEXTS: Final = """
UNWIND $rows AS row
MATCH (t:Theme {key: row.theme_key})
MATCH (s:Reason {wording: row.wording})
WHERE s.name = row.text AND NOT EXISTS { MATCH (s)-[:OF]->(t) }
WITH s, t LIMIT $limit
OPTIONAL MATCH (s)-[before:OF]->(:Theme)
DELETE before
MERGE (s)-[:OF]->(t)
RETURN count(*) AS found
"""

LINK_REASONS_OF_THEMES: Final = """
UNWIND $rows AS row
MATCH (t:Theme {key: row.key})
MATCH (s:Reason {wording: row.wording})
WHERE NOT EXISTS { MATCH (s)-[:OF]->(:Theme) } AND NOT EXISTS { MATCH (:ThemeText {wording: row.wording, text: s.name}) }
WITH s, t LIMIT $limit
CREATE (s)-[:OF]->(t)
RETURN count(*) AS found
"""

LINK_REASONS: Final = """
UNWIND $rows AS row
MATCH (s:Reason) WHERE elementId(s) = row.key
OPTIONAL MATCH (own:Theme {wording: s.wording})
OPTIONAL MATCH (x:ThemeText {wording: s.wording, text: s.name})
WITH s, coalesce(x.theme_key, own.key) AS wanted
MATCH (t:Theme {key: wanted})
CREATE (s)-[:OF]->(t)
"""
