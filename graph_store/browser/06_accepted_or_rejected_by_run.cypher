// 06 Accepted or rejected, by run
// A table. It counts the steps of today's graphs: a run whose graphs were all replaced is not in it.
// Parameters: namespace
MATCH (s:Reason|RejectedReason {namespace: $namespace})
RETURN s.run AS run, s.kind AS kind,
       count(CASE WHEN s.accepted THEN 1 END) AS accepted, count(CASE WHEN NOT s.accepted THEN 1 END) AS rejected,
       round(avg(CASE WHEN s.accepted THEN s.score END), 2) AS score_of_accepted,
       round(avg(CASE WHEN NOT s.accepted THEN s.score END), 2) AS score_of_rejected
ORDER BY run, kind DESC LIMIT 100
