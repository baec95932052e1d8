// 08 Two users side by side
// What each of two users took; what both took lies between them.
// Parameters: namespace, user, other
MATCH (u:User {namespace: $namespace}) WHERE u.name IN [$user, $other]
MATCH taken = (u)-[:TOOK]->(item:Item)
WITH taken, COUNT { (item)<-[:TOOK]-(either:User) WHERE either.name IN [$user, $other] } AS takers
RETURN taken ORDER BY takers DESC LIMIT 200
