//! How many files and connections the system lets the process have open at once (D-28).

/// Takes as many as the system gives, and warns if there may come to be more connections than that.
#[cfg(unix)]
pub(crate) fn make_room(needed: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raise = |current| setrlimit(Resource::Nofile, Rlimit { current, maximum });
    // Some systems say that there is no limit, and give less. There may be as many as before.
    if raise(maximum).is_err() {
        let _ = raise(Some(needed));
    }
    if let Some(most) = getrlimit(Resource::Nofile)
        .current
        .filter(|it| *it < needed)
    {
        tracing::warn!(
            "{most} files and connections may be open at once, and the bounds allow for {needed}: \
             beyond what the system gives, connections wait (see `ulimit -n`)"
        );
    }
}

/// Other systems have no such bound, or one that is set elsewhere.
#[cfg(not(unix))]
pub(crate) fn make_room(_needed: u64) {}
