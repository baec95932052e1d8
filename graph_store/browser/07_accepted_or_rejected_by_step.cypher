// 07 Accepted or rejected, by step
// A table: every step of a user with its score, and why a rejected one was rejected.
// Parameters: namespace, user
MATCH (u:User {namespace: $namespace, name: $user})-[:HAS|REJECTED]->(s:Reason|RejectedReason)-[:LEADS_TO|ABOUT]->(item:Item)
RETURN s.position AS position, s.kind AS kind, item.name AS item, s.name AS reason, s.score AS score,
       s:Reason AS accepted, s.why_rejected AS why_rejected
ORDER BY position, kind DESC, item, accepted DESC, score DESC LIMIT 200
