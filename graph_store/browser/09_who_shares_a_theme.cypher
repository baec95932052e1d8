// 09 Who shares a theme
// The themes of a user's reasons, those of most reasons first, and what else has them: other users' reasons, and items.
// Parameters: namespace, user
MATCH (u:User {namespace: $namespace, name: $user})-[:HAS]->(:Reason)-[:OF]->(theme:Theme)
WITH DISTINCT u, theme ORDER BY COUNT { (:Reason)-[:OF]->(theme) } DESC, theme.name LIMIT 5
CALL (u, theme) {
  MATCH shared = (u)-[:HAS]->(:Reason)-[:OF]->(theme)
  RETURN shared LIMIT 10
  UNION
  MATCH shared = (other:User)-[:HAS]->(:Reason)-[:OF]->(theme) WHERE other.key <> u.key
  RETURN shared LIMIT 15
  UNION
  MATCH shared = (:Item)-[appeal:APPEALS_FOR]->(theme)
  RETURN shared ORDER BY appeal.score DESC LIMIT 15
}
RETURN shared LIMIT 200
