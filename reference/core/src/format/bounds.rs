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

/// What a value costs at each depth of a payload, by the schemas that can apply there. Beyond
/// the last depth none does.
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
        let mut costs: Vec<u64> = Vec::new();
        while costs.len() <= DEPTH_MAX && applied.iter().any(|times| *times > 0) {
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
            let depth = costs.len() as u64 + 1;
            costs.push(cost.saturating_mul(depth).saturating_mul(again));
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
