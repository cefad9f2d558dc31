//! The order in which an answer's fields were asked for.
//!
//! Fields are resolved at once and the library writes each down when it is ready; the specification (section 7.2.2) wants
//! them in the order of the query.

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Value};

/// The response keys of a selection, each with those beneath it, in the order of the query.
#[derive(Debug, Default)]
pub(super) struct Shape(Vec<(Name, Shape)>);

impl Shape {
    /// Of an operation whose document is within the limits; a fragment that contains itself is left to validation.
    pub(super) fn of(document: &ExecutableDocument, selected: &SelectionSet) -> Self {
        let mut shape = Self::default();
        shape.add(document, selected, &mut Vec::new());
        shape
    }

    fn add<'a>(
        &mut self,
        document: &'a ExecutableDocument,
        selected: &'a SelectionSet,
        within: &mut Vec<&'a str>,
    ) {
        for selection in &selected.items {
            match &selection.node {
                Selection::Field(field) => {
                    let beneath = &field.node.selection_set.node;
                    self.at(&field.node.response_key().node).add(document, beneath, within);
                }
                Selection::InlineFragment(fragment) => {
                    self.add(document, &fragment.node.selection_set.node, within);
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    let Some(fragment) = document.fragments.get(name) else { continue };
                    if !within.contains(&name) {
                        within.push(name);
                        self.add(document, &fragment.node.selection_set.node, within);
                        within.pop();
                    }
                }
            }
        }
    }

    fn at(&mut self, key: &Name) -> &mut Self {
        let index = self.0.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
            self.0.push((key.clone(), Self::default()));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }

    /// Puts the fields of `value` in order.
    pub(super) fn order(&self, value: Value) -> Value {
        match value {
            Value::List(items) => Value::List(items.into_iter().map(|item| self.order(item)).collect()),
            Value::Object(mut fields) if !self.0.is_empty() => {
                let asked = self.0.iter().filter_map(|(key, beneath)| {
                    let (key, value) = fields.swap_remove_entry(key)?;
                    Some((key, beneath.order(value)))
                });
                let mut ordered: Vec<_> = asked.collect();
                ordered.extend(fields);
                Value::Object(ordered.into_iter().collect())
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use async_graphql::{Value, value};

    use super::Shape;

    fn ordered(query: &str, answer: Value) -> String {
        let document = parse_query(query).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        Shape::of(&document, &operation.node.selection_set.node).order(answer).to_string()
    }

    #[test]
    fn fields_come_in_the_order_of_the_query_through_fragments_lists_and_repetitions() {
        let query = "{ b: x { q ...F } a b: x { p } } fragment F on X { r ...F }";
        let answer = value!({ "a": 1, "b": [{ "p": 1, "r": 2, "q": 3 }, null] });
        assert_eq!(ordered(query, answer), "{b: [{q: 3, r: 2, p: 1}, null], a: 1}");
    }

    #[test]
    fn a_json_value_keeps_its_own_order() {
        assert_eq!(ordered("{ json }", value!({ "json": { "z": 1, "a": 2 } })), "{json: {z: 1, a: 2}}");
    }
}
