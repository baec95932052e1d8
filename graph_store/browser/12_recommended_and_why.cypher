// 12 Recommended, and why
// What a recommender recommended to a user (the number beside an arrow is the rank), and the imagined reasons that lead there.
// Kept with: llmrg recommend USER --to-neo4j
// Parameters: namespace, user
MATCH (u:User {namespace: $namespace, name: $user})
MATCH recommended = (u)-[by:RECOMMENDED]->(item:Item)
OPTIONAL MATCH reason = (u)-[:HAS]->(r:Reason {kind: 'imagined'})-[:LEADS_TO]->(item)
OPTIONAL MATCH cause = (:Item|Attribute)-[:LEADS_TO]->(r)
RETURN recommended, reason, cause ORDER BY by.model, by.rank LIMIT 100
