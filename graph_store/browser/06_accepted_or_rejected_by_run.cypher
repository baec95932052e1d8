// 06 Accepted or rejected, by run
// A table. It counts the steps of each user's newest graph: a run whose graphs are all older ones is not in it.
// Parameters: namespace
MATCH (u:User {namespace: $namespace})-[:HAS|REJECTED]->(s:Reason|RejectedReason)
RETURN u.run AS run, s.kind AS kind,
       count(CASE WHEN s:Reason THEN 1 END) AS accepted, count(CASE WHEN s:RejectedReason THEN 1 END) AS rejected,
       round(avg(CASE WHEN s:Reason THEN s.score END), 2) AS score_of_accepted,
       round(avg(CASE WHEN s:RejectedReason THEN s.score END), 2) AS score_of_rejected
ORDER BY run, kind DESC LIMIT 100
