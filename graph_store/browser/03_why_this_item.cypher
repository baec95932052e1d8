// 03 Why this item
// A user's chains of reasons that end in an item.
// Parameters: namespace, user, item (its title)
MATCH (u:User {namespace: $namespace, name: $user})
MATCH last = (u)-[:HAS]->(:Reason)-[:LEADS_TO]->(item:Item {name: $item})
OPTIONAL MATCH chain = (:Item|Attribute)
  ((:Item|Attribute)-[:LEADS_TO]->(r:Reason)-[:LEADS_TO]->(:Item)){1,5}
  (item)
  WHERE all(one IN r WHERE EXISTS { MATCH (u)-[:HAS]->(one) })
RETURN last, chain ORDER BY length(chain) DESC LIMIT 25
