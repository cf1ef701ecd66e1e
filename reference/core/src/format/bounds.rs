//! What it costs to check a payload against a format, estimated from above before it is done.

use serde_json::Value;

use super::graph::{self, Schema};

/// How many schemas may apply to a value one through the other. It bounds the stack, with the
/// depth of payloads.
const CHAIN_MAX: usize = 16;
/// How deep a payload may be, where schemas still apply.
const DEPTH_MAX: usize = 48;
/// How much work a check may take. On the machine on which it was chosen a unit of the worst
/// formats known takes some 20 ns.
const COST_MAX: u64 = 16_000_000;
/// So many bytes of a string cost as much as a value.
const BYTES_A_UNIT: usize = 32;

/// What a value costs at each depth of a payload, by the schemas that can apply there, down to
/// the first depth that is too deep.
#[derive(Debug)]
pub(super) struct Bounds {
    costs: Vec<u64>,
}

impl Bounds {
    /// # Errors
    ///
    /// What keeps a format from being enforced, and where.
    pub(super) fn of(format: &Value) -> Result<Self, String> {
        let schemas = graph::of(format)?;
        let (order, longest) = order_in_place(&schemas)?;
        // What looks for words looks at alternatives once more for each that is around them.
        let again = longest as u64 + 1;
        let mut applied = vec![0_u64; schemas.len()];
        if let Some(first) = applied.first_mut() {
            *first = 1;
        }
        let mut costs = Vec::new();
        for depth in 0..=DEPTH_MAX {
            for place in &order {
                let Some(schema) = schemas.get(*place) else {
                    continue;
                };
                let times = times_of(&applied, *place).saturating_mul(schema.repeats);
                add(&mut applied, &schema.in_place, times);
            }
            let mut below = vec![0; schemas.len()];
            let mut cost = 0_u64;
            for (schema, times) in schemas.iter().zip(&applied) {
                cost = cost.saturating_add(times.saturating_mul(schema.weight));
                add(&mut below, &schema.below, *times);
            }
            let level = depth as u64 + 1;
            costs.push(cost.saturating_mul(level).saturating_mul(again));
            applied = below;
        }
        Ok(Self { costs })
    }

    /// # Errors
    ///
    /// That the check would take too long, or too much of the stack.
    pub(super) fn allow(&self, payload: &Value) -> Result<(), String> {
        let mut left = COST_MAX;
        self.spend(payload, 0, 0, &mut left)
    }

    fn spend(
        &self,
        value: &Value,
        name: usize,
        depth: usize,
        left: &mut u64,
    ) -> Result<(), String> {
        let price = self.costs.get(depth).copied().unwrap_or(0);
        if depth >= DEPTH_MAX && price > 0 {
            return Err(format!(
                "it is nested more than {DEPTH_MAX} deep, and cannot be checked"
            ));
        }
        let text = value.as_str().map_or(0, str::len);
        let units = (1 + (name + text) / BYTES_A_UNIT) as u64;
        let cost = price.saturating_add(1).saturating_mul(units);
        *left = left
            .checked_sub(cost)
            .ok_or("it is too large to be checked against this format")?;
        match value {
            Value::Array(items) => items
                .iter()
                .try_for_each(|item| self.spend(item, 0, depth + 1, left)),
            Value::Object(fields) => fields
                .iter()
                .try_for_each(|(name, field)| self.spend(field, name.len(), depth + 1, left)),
            _ => Ok(()),
        }
    }
}

fn times_of(applied: &[u64], place: usize) -> u64 {
    applied.get(place).copied().unwrap_or(0)
}

fn add(applied: &mut [u64], places: &[usize], times: u64) {
    for place in places {
        if let Some(slot) = applied.get_mut(*place) {
            *slot = slot.saturating_add(times);
        }
    }
}

/// The schemas, each before those that apply to the same value through it, and how many of them
/// stand in the longest such chain.
fn order_in_place(schemas: &[Schema]) -> Result<(Vec<usize>, usize), String> {
    let mut walk = Walk {
        schemas,
        heights: vec![0; schemas.len()],
        finished: Vec::with_capacity(schemas.len()),
    };
    let mut longest = 0;
    for place in 0..schemas.len() {
        longest = longest.max(walk.height(place, 1)?);
    }
    walk.finished.reverse();
    Ok((walk.finished, longest))
}

struct Walk<'s> {
    schemas: &'s [Schema],
    /// 0 for what has not been walked to its end.
    heights: Vec<usize>,
    finished: Vec<usize>,
}

impl Walk<'_> {
    /// How many schemas there are in the longest chain from here. A schema that comes back to
    /// itself has chains without an end.
    fn height(&mut self, place: usize, above: usize) -> Result<usize, String> {
        if above > CHAIN_MAX {
            return Err(chain_too_long());
        }
        if let Some(height) = self.heights.get(place).filter(|it| **it > 0) {
            return Ok(*height);
        }
        let mut height = 1;
        let schemas = self.schemas;
        for next in schemas.get(place).into_iter().flat_map(|it| &it.in_place) {
            height = height.max(1 + self.height(*next, above + 1)?);
        }
        if height > CHAIN_MAX {
            return Err(chain_too_long());
        }
        if let Some(slot) = self.heights.get_mut(place) {
            *slot = height;
        }
        self.finished.push(place);
        Ok(height)
    }
}

fn chain_too_long() -> String {
    format!("more than {CHAIN_MAX} schemas apply to one value through each other, or one to itself")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Each schema costs 1 and what its rules weigh; so do those that it applies to the same value,
    /// as often as it does. All of it counts once for each level of the payload, and once more
    /// for each schema of the longest chain.
    #[test]
    fn what_a_value_costs_at_each_depth() {
        let twice = json!({
            "allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}],
            "$defs": {"a": {"not": true}},
        });
        let named = json!({
            "title": "t", "description": "d", "examples": [1], "default": 1, "definitions": {},
        });
        for (schema, costs) in [
            (json!(true), [2, 0, 0]),
            (named, [2, 0, 0]),
            (json!({"type": "string"}), [4, 0, 0]),
            (json!({"enum": [1, "x".repeat(64), {"a": 1}]}), [16, 0, 0]),
            (json!({"multipleOf": 2}), [34, 0, 0]),
            (json!({"pattern": "a"}), [258, 0, 0]),
            (
                json!({"patternProperties": {"a": true, "b": true}}),
                [514, 8, 0],
            ),
            (json!({"properties": {"a": true, "b": true}}), [6, 8, 0]),
            (json!({"prefixItems": [true, true]}), [2, 8, 0]),
            (
                json!({"items": {"contains": {"multipleOf": 2}}}),
                [2, 4, 102],
            ),
            (json!({"items": {"additionalProperties": true}}), [2, 4, 6]),
            (json!({"allOf": [true, {"not": true}]}), [16, 0, 0]),
            (
                json!({"dependentSchemas": {"a": true, "b": true}}),
                [9, 0, 0],
            ),
            (
                json!({"anyOf": [true], "unevaluatedItems": true}),
                [12, 6, 0],
            ),
            (twice, [35, 0, 0]),
        ] {
            let bounds = Bounds::of(&schema).expect("the test's schema is within bounds");
            assert_eq!(bounds.costs[..3], costs, "{schema}");
        }
        let endless = Bounds::of(&json!({"items": {"$ref": "#"}})).expect("it goes down each time");
        let costs = (1..=DEPTH_MAX as u64 + 1).map(|level| match level {
            1 => 3,
            level => 2 * level * 3,
        });
        assert!(endless.costs.into_iter().eq(costs));
    }

    /// A format of which a value at the top costs as much as goes 1,024 times into what there is.
    #[test]
    fn what_there_is_may_be_spent_to_the_last() {
        const UNITS: usize = 1_024;
        let weight = 7_812;
        let costly = json!({"enum": vec![1; weight - 2]});
        let bounds = Bounds::of(&costly).expect("a list of values");
        assert_eq!((bounds.costs[0] + 1) * UNITS as u64, COST_MAX);
        let largest = UNITS * BYTES_A_UNIT - 1;
        let text = |bytes: usize| json!("x".repeat(bytes));
        assert_eq!(bounds.allow(&text(largest)), Ok(()));
        let too_large = Err("it is too large to be checked against this format".to_owned());
        assert_eq!(bounds.allow(&text(largest + 1)), too_large);

        // One level down it costs twice as much: half as many bytes of a name and a text.
        let bounds = Bounds::of(&json!({"additionalProperties": costly})).expect("the same");
        let half = largest / 2;
        let field = |name: usize, text: usize| {
            let field = ("n".repeat(name), json!("x".repeat(text)));
            Value::Object([field].into_iter().collect())
        };
        for name in [0, 1, half - 1, half] {
            assert_eq!(bounds.allow(&field(name, half - name)), Ok(()), "{name}");
            assert_eq!(
                bounds.allow(&field(name, half - name + 1)),
                too_large,
                "{name}"
            );
        }
    }

    #[test]
    fn payloads_are_checked_down_to_the_forty_eighth_value() {
        let list = Bounds::of(&json!({"items": {"$ref": "#"}})).expect("it goes down each time");
        let map = json!({"additionalProperties": {"$ref": "#"}});
        let map = Bounds::of(&map).expect("it goes down each time");
        for (bounds, into) in [
            (list, (|below| json!([below])) as fn(Value) -> Value),
            (map, |below| json!({"": below})),
        ] {
            let deepest = (1..DEPTH_MAX).fold(json!(1), |below, _| into(below));
            assert_eq!(bounds.allow(&deepest), Ok(()));
            let too_deep = "it is nested more than 48 deep, and cannot be checked";
            assert_eq!(bounds.allow(&into(deepest)), Err(too_deep.to_owned()));
        }
    }
}
