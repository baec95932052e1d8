// 02 Imagined beyond the history
// Where a user's chains lead next, imagined from the longest part of the history; the best scores first.
// Parameters: namespace, user
MATCH (u:User {namespace: $namespace, name: $user})-[:HAS]->(any:Reason {kind: 'imagined'})
WITH u, max(any.position) AS latest
MATCH (u)-[:HAS]->(r:Reason {kind: 'imagined', position: latest})
MATCH next = (:Item|Attribute)-[:LEADS_TO]->(r)-[:LEADS_TO]->(:Item)
RETURN next ORDER BY r.score DESC LIMIT 50
