// 10 What appeals for a theme
// The items that stand for a theme, the strongest first; click a purple arrow to see who says so.
// Parameters: namespace, theme
MATCH (theme:Theme {namespace: $namespace, name: $theme})
MATCH appeals = (:Item)-[appeal:APPEALS_FOR]->(theme)
RETURN appeals ORDER BY appeal.score DESC, appeal.uses DESC LIMIT 50
