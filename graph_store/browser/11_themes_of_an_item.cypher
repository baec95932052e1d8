// 11 Themes of an item
// What all users take an item for, the most frequent first: of each theme the reason with the best score, in place of every user's
// reason; beside the picture a table with the counts. A reason without a theme counts as one of its own.
// Parameters: namespace, item (its title)
MATCH (item:Item {namespace: $namespace, name: $item})<-[:LEADS_TO]-(r:Reason)
OPTIONAL MATCH (r)-[:OF]->(theme:Theme)
WITH item, r, theme, coalesce(theme.name, r.name) AS wording ORDER BY r.score DESC
WITH item, wording, theme, collect(r)[0] AS best, count(*) AS reasons ORDER BY reasons DESC, wording LIMIT 15
MATCH reason = (best)-[:LEADS_TO]->(item)
OPTIONAL MATCH of = (best)-[:OF]->(theme)
OPTIONAL MATCH cause = (:Item|Attribute)-[:LEADS_TO]->(best)
RETURN wording, reasons, reason, of, cause ORDER BY reasons DESC, wording
