// 01 History and its reasons
// What a user took (the number beside an arrow is the position) and what led there; the latest first.
// Parameters: namespace, user
MATCH (u:User {namespace: $namespace, name: $user})
MATCH taken = (u)-[took:TOOK]->(item:Item)
OPTIONAL MATCH reason = (u)-[:HAS]->(r:Reason {kind: 'reasoned'})-[:LEADS_TO]->(item)
OPTIONAL MATCH cause = (:Item|Attribute)-[:LEADS_TO]->(r)
RETURN taken, reason, cause ORDER BY took.position DESC LIMIT 200
