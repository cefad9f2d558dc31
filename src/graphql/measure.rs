//! How large an operation is once its fragments are put in place, counted without putting them in place: each fragment
//! is measured once and its numbers are used wherever it is spread, so that no document takes long to measure.

use std::collections::HashMap;

use async_graphql::parser::types::{
    ExecutableDocument, Field, FragmentDefinition, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql::{Name, Positioned, Value, Variables};

use super::access::Operation;
use crate::throttle::Attempt;

/// What the introspection of a type or of the whole schema costs.
const INTROSPECTION_COST: u64 = 100;
/// What a root field of a mutation costs, besides what it returns.
const MUTATION_COST: u64 = 10;
/// Rows of a connection that does not say how many.
const DEFAULT_ROWS: u64 = 20;

/// Lists of products, which have such lists themselves, and of shipping methods, which have slots: each counts as a page that
/// does not say how many.
const LONG_LISTS: [&str; 3] = ["companions", "products", "methods"];

/// Lists of introspection through which its answer grows with every level.
const INTROSPECTION_LISTS: [&str; 4] = ["fields", "inputFields", "interfaces", "possibleTypes"];

/// The size of a selection set, of an operation or of a fragment; numbers stop at their maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Measure {
    /// Fields on the longest path, those of introspection aside.
    pub(super) depth: u64,
    /// Fields on the longest path through `__schema` or `__type`.
    pub(super) introspection_depth: u64,
    /// `fields`, `inputFields`, `interfaces` and `possibleTypes` on one path through `__schema` or `__type`.
    pub(super) introspection_lists: u64,
    /// Fields that rename themselves.
    pub(super) aliases: u64,
    /// Directives.
    pub(super) directives: u64,
    /// Fields, spreads and inline fragments.
    pub(super) selections: u64,
    /// Fields directly in this set.
    pub(super) root_fields: u64,
    /// Fields directly in this set that try credentials.
    pub(super) credentials: u64,
    /// What the first of them tries.
    pub(super) attempt: Option<Attempt>,
    /// By the rule in [`super::limits`].
    pub(super) cost: u64,
    /// Fields of [`INTROSPECTION_LISTS`] on one path, should this turn out to be introspection.
    lists: u64,
    /// Whether this set has `edges` or `nodes`, as connections do.
    has_rows: bool,
}

impl Measure {
    /// Measures one operation of a document; `variables` are those of the request.
    pub(super) fn of(
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        variables: &Variables,
    ) -> Self {
        let mut walk = Walk { document, operation, variables, fragments: HashMap::new() };
        let mut size = walk.set(&operation.selection_set.node);
        let on_variables: usize =
            operation.variable_definitions.iter().map(|variable| variable.node.directives.len()).sum();
        size.directives = size.directives.saturating_add(count(operation.directives.len() + on_variables));
        if operation.ty == OperationType::Mutation {
            size.cost = size.cost.saturating_add(MUTATION_COST.saturating_mul(size.root_fields));
        } else {
            (size.credentials, size.attempt) = (0, None);
        }
        size
    }

    /// This set with another beside it.
    fn beside(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            introspection_depth: self.introspection_depth.max(other.introspection_depth),
            introspection_lists: self.introspection_lists.max(other.introspection_lists),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
            selections: self.selections.saturating_add(other.selections),
            root_fields: self.root_fields.saturating_add(other.root_fields),
            credentials: self.credentials.saturating_add(other.credentials),
            attempt: self.attempt.or(other.attempt),
            cost: self.cost.saturating_add(other.cost),
            lists: self.lists.max(other.lists),
            has_rows: self.has_rows || other.has_rows,
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    /// None while a fragment is being measured: a cycle adds nothing and is refused by validation.
    fragments: HashMap<&'a Name, Option<Measure>>,
}

impl<'a> Walk<'a> {
    fn set(&mut self, set: &'a SelectionSet) -> Measure {
        set.items.iter().fold(Measure::default(), |sum, item| sum.beside(self.selection(&item.node)))
    }

    fn selection(&mut self, selection: &'a Selection) -> Measure {
        let mut size = match selection {
            Selection::Field(field) => self.field(&field.node),
            Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node),
            Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node),
        };
        size.selections = size.selections.saturating_add(1);
        size.directives = size.directives.saturating_add(count(selection.directives().len()));
        size
    }

    fn fragment(&mut self, name: &'a Name) -> Measure {
        if let Some(known) = self.fragments.get(name) {
            return known.unwrap_or_default();
        }
        let Some(Positioned { node: FragmentDefinition { directives, selection_set, .. }, .. }) =
            self.document.fragments.get(name)
        else {
            return Measure::default();
        };
        self.fragments.insert(name, None);
        let mut size = self.set(&selection_set.node);
        size.directives = size.directives.saturating_add(count(directives.len()));
        self.fragments.insert(name, Some(size));
        size
    }

    fn field(&mut self, field: &'a Field) -> Measure {
        let name = field.name.node.as_str();
        let inner = self.set(&field.selection_set.node);
        let is_object = !field.selection_set.node.items.is_empty();
        let attempt = Operation::of(name).and_then(|operation| operation.credential);
        let mut size = Measure {
            depth: inner.depth.saturating_add(1),
            aliases: inner.aliases.saturating_add(u64::from(field.alias.is_some())),
            root_fields: 1,
            credentials: u64::from(attempt.is_some()),
            attempt,
            cost: if is_object { self.cost(field, inner) } else { u64::from(name == "totalCount") },
            lists: inner.lists.saturating_add(u64::from(INTROSPECTION_LISTS.contains(&name))),
            has_rows: matches!(name, "edges" | "nodes"),
            ..inner
        };
        if matches!(name, "__schema" | "__type") {
            size.introspection_depth = size.introspection_depth.max(size.depth);
            size.introspection_lists = size.introspection_lists.max(size.lists);
            size.depth = 1;
            size.cost = INTROSPECTION_COST;
        }
        size
    }

    fn cost(&self, field: &Field, inner: Measure) -> u64 {
        let asked = ["first", "last"].into_iter().find_map(|name| field.get_argument(name));
        let rows = match asked {
            Some(argument) => match argument.node.clone().into_const_with(|name| self.variable(&name)) {
                Ok(Value::Number(rows)) => rows.as_i64().map_or(DEFAULT_ROWS, at_least_one),
                Ok(_) | Err(()) => DEFAULT_ROWS,
            },
            None if inner.has_rows || LONG_LISTS.contains(&field.name.node.as_str()) => DEFAULT_ROWS,
            None => 1,
        };
        inner.cost.saturating_mul(rows).saturating_add(1)
    }

    /// What the request gives for a variable, or else the operation's default.
    fn variable(&self, name: &Name) -> Result<Value, ()> {
        if let Some(given) = self.variables.get(name) {
            return Ok(given.clone());
        }
        let definitions = &self.operation.variable_definitions;
        let definition = definitions.iter().find(|definition| definition.node.name.node == *name);
        definition.and_then(|definition| definition.node.default_value().cloned()).ok_or(())
    }
}

/// A page of no rows or fewer is refused by its resolver; it costs as one of one.
fn at_least_one(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or_default().max(1)
}
