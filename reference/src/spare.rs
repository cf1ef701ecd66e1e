//! Memory that sessions have left, which goes back to the system.
//!
//! An allocator looks for what it can give back only when something comes and goes, and keeps the
//! rest for as long as the engine is idle. The sizes here are mimalloc's; another allocator loses
//! nothing by them.

use std::{hint::black_box, time::Duration};

use tokio::{sync::Notify, task::yield_now, time::sleep};

/// How long it is kept for sessions that come, before each look at it.
const SPARE_TIME: Duration = Duration::from_secs(2);
/// How often something is asked for before all that has been freed is gathered: mimalloc gathers
/// after 10,000 requests that its lists of free blocks could not meet.
const REQUESTS: (u32, u32) = (11, 1_000);
/// Larger than any size of which mimalloc keeps free blocks.
const REQUEST_BYTES: usize = 1 << 20;
/// Larger than the 32 MiB in which mimalloc's memory is divided. What a look itself asks for stays
/// until the next one, so it must be where nothing has been in use; it is never written to.
const LOOK_BYTES: usize = 40 << 20;

/// Gives back, some time after each end of a session.
pub(crate) async fn give_back(ended: &Notify) {
    loop {
        ended.notified().await;
        sleep(SPARE_TIME).await;
        for _ in 0..REQUESTS.0 {
            (0..REQUESTS.1).for_each(|_| ask(REQUEST_BYTES));
            yield_now().await;
        }
        ask(LOOK_BYTES);
        // What was found free by then is given back by the next look.
        sleep(SPARE_TIME).await;
        ask(LOOK_BYTES);
    }
}

/// Asks for so much, and returns it. It is no matter if there is not so much.
fn ask(bytes: usize) {
    let mut asked = Vec::<u8>::new();
    let _ = asked.try_reserve_exact(bytes);
    drop(black_box(asked));
}
