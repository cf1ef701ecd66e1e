//! What the benchmarks and the programs beside them have in common; see the README.

pub mod frames;
mod machine;
mod served;

pub use self::{
    machine::{Bench, Counter},
    served::Served,
};
