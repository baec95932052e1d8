// 05 Most used knowledge
// The steps that were reused most, with the items they join.
// Parameters: namespace
MATCH (k:Knowledge {namespace: $namespace}) WHERE k.uses > 0
WITH k ORDER BY k.uses DESC, k.score DESC LIMIT 15
MATCH known = (:Item)-[:KNOWN_FOR]->(k)-[:LEADS_TO]->(:Item)
RETURN known
