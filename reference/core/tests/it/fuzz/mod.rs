//! The engine's fuzz targets: plain functions of bytes, which panic on a finding. Tests replay
//! their corpora; `reference/fuzz` feeds them new bytes.

pub mod formats;
pub mod frames;
pub mod lab;
#[cfg(test)]
mod replay;
pub mod requests;
pub mod routes;
pub mod schedules;
pub mod sessions;

/// A test for each target, which replays its corpus.
#[cfg(test)]
macro_rules! replayed {
    ($($target:ident),*) => {
        $(
            #[test]
            fn $target() {
                let corpora = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/");
                super::replay::replay(corpora, stringify!($target), super::$target::target);
            }
        )*
    };
}

#[cfg(test)]
mod corpus {
    replayed!(formats, frames, requests, routes, schedules, sessions);
}
