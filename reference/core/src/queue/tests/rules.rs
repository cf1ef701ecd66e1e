use super::{super::Settled, *};

const FAILED: Settlement = Settlement::Failed;

#[test]
fn a_delivery_holds_the_oldest_messages_up_to_the_batch_size() {
    let mut queues = holding(3);
    subscribe(&mut queues, 1, "q", 2);
    let (delivery, to, messages) = deliver(&mut queues).unwrap();
    assert_eq!((to, messages), (1, vec![(1, 1), (2, 1)]));
    assert_eq!(delivery.visibility_timeout, Duration::from_secs(30));
    assert_eq!(
        delivery.content.data.get(),
        r#"{"queue_name":"q","messages":[{"message_id":"00000000-0000-0000-0000-000000000001","data":1,"attempt":1,"enqueued_at":"1970-01-01T00:00:01.000Z"},{"message_id":"00000000-0000-0000-0000-000000000002","data":2,"attempt":1,"enqueued_at":"1970-01-01T00:00:02.000Z"}]}"#
    );
}

#[test]
fn a_subscription_has_one_delivery_under_way() {
    let mut queues = holding(2);
    subscribe(&mut queues, 1, "q", 1);
    let (first, ..) = deliver(&mut queues).unwrap();
    assert!(deliver(&mut queues).is_none());
    queues.settle(first.id, &acknowledged());
    assert_eq!(deliver(&mut queues).unwrap().2, [(2, 1)]);
}

#[test]
fn acknowledged_messages_are_gone_and_so_is_an_empty_queue() {
    let mut queues = holding(2);
    subscribe(&mut queues, 1, "q", 10);
    let (delivery, ..) = deliver(&mut queues).unwrap();
    let settled = Settled {
        queue: "q".into(),
        acknowledged: 2,
        visible: 0,
        dead_letters: 0,
    };
    assert_eq!(queues.settle(delivery.id, &acknowledged()), Some(settled));
    assert_eq!(queues.settle(delivery.id, &FAILED), None, "settled once");
    assert_eq!(held(&queues, "q"), []);
    assert_eq!(queues.stats().count(), 1, "it has a subscription");
    queues.unsubscribe(&key(1));
    assert_eq!(queues.stats().count(), 0);
    assert_eq!(queues.bytes, 0);
}

#[test]
fn what_fails_comes_back_before_what_came_later() {
    for (settlement, expected) in [
        (FAILED, vec![(1, 2), (2, 2), (3, 2), (4, 1)]),
        (failed([1, 3]), vec![(1, 2), (3, 2), (4, 1)]),
        (failed([3, 1, 2]), vec![(1, 2), (2, 2), (3, 2), (4, 1)]),
        // Not of this delivery: one that waits, and one that nobody knows.
        (failed([2, 4, 99]), vec![(2, 2), (4, 1)]),
        (acknowledged(), vec![(4, 1)]),
    ] {
        let mut queues = holding(4);
        subscribe(&mut queues, 1, "q", 3);
        let (delivery, ..) = deliver(&mut queues).unwrap();
        queues.settle(delivery.id, &settlement);
        subscribe(&mut queues, 1, "q", 10);
        let (_, _, messages) = deliver(&mut queues).unwrap();
        assert_eq!(messages, expected, "{settlement:?}");
    }
}

#[test]
fn the_failed_ids_of_one_delivery_do_not_touch_another() {
    let mut queues = holding(2);
    subscribe(&mut queues, 1, "q", 1);
    subscribe(&mut queues, 2, "q", 1);
    let (first, ..) = deliver(&mut queues).unwrap();
    let (second, ..) = deliver(&mut queues).unwrap();
    queues.settle(first.id, &failed([2]));
    assert!(deliver(&mut queues).is_none(), "2 is still in flight");
    queues.settle(second.id, &acknowledged());
    assert_eq!(held(&queues, "q"), []);
}

/// Delivers and fails `times`, and returns the attempts that the deliveries have shown.
fn fail(queues: &mut Queues, times: usize) -> Vec<u64> {
    let mut attempts = Vec::new();
    for _ in 0..times {
        let (delivery, _, messages) = deliver(queues).unwrap();
        attempts.extend(messages.iter().map(|(_, attempt)| *attempt));
        queues.settle(delivery.id, &FAILED);
    }
    attempts
}

#[test]
fn the_tenth_failure_makes_a_dead_letter() {
    let mut queues = holding(1);
    subscribe(&mut queues, 1, "q", 1);
    assert_eq!(fail(&mut queues, 9), Vec::from_iter(1..=9));
    assert_eq!(held(&queues, "q"), [(1, 9)]);
    let (delivery, _, messages) = deliver(&mut queues).unwrap();
    assert_eq!(messages, [(1, 10)]);
    let settled = queues.settle(delivery.id, &FAILED).unwrap();
    assert_eq!((settled.visible, settled.dead_letters), (0, 1));
    assert!(deliver(&mut queues).is_none());
    assert_eq!(held(&queues, "q"), []);
    assert_eq!(queues.stats_of("q").unwrap().dead_letters, 1);
    let [letter] = queues.peek("q::dead_letter", 9)[..] else {
        panic!("one dead letter");
    };
    assert_eq!(letter.id, id(1));
    assert_eq!(letter.content.data.get(), "1");
    assert_eq!(letter.enqueued_at, Duration::from_secs(1));
}

#[test]
fn only_what_has_failed_ten_times_is_a_dead_letter() {
    let mut queues = holding(1);
    subscribe(&mut queues, 1, "q", 10);
    fail(&mut queues, 9);
    put(&mut queues, "q", 2);
    let (delivery, _, messages) = deliver(&mut queues).unwrap();
    assert_eq!(messages, [(1, 10), (2, 1)]);
    let settled = queues.settle(delivery.id, &FAILED).unwrap();
    assert_eq!((settled.visible, settled.dead_letters), (1, 1));
    assert_eq!(held(&queues, "q"), [(2, 1)]);
    assert_eq!(held(&queues, "q::dead_letter"), [(1, 0)]);
}

#[test]
fn a_tenth_attempt_that_succeeds_is_a_success() {
    let mut queues = holding(1);
    subscribe(&mut queues, 1, "q", 10);
    fail(&mut queues, 9);
    let (delivery, ..) = deliver(&mut queues).unwrap();
    queues.settle(delivery.id, &acknowledged());
    assert_eq!(queues.stats_of("q::dead_letter"), None);
    assert_eq!(queues.bytes, 0);
}

#[test]
fn dead_letters_are_a_queue_of_their_own_that_nothing_leaves_by_failing() {
    let mut queues = holding(2);
    subscribe(&mut queues, 1, "q", 1);
    fail(&mut queues, 20);
    put(&mut queues, "q::dead_letter", 3);
    subscribe(&mut queues, 2, "q::dead_letter", 10);
    let (delivery, to, messages) = deliver(&mut queues).unwrap();
    assert_eq!(to, 2);
    assert_eq!(messages, [(1, 1), (2, 1), (3, 1)], "attempts start anew");
    queues.settle(delivery.id, &failed([1, 3]));
    assert_eq!(fail(&mut queues, 9).len(), 18);
    assert!(deliver(&mut queues).is_none());
    let names: Vec<&str> = queues.stats().map(|stats| stats.queue).collect();
    assert_eq!(names, ["q", "q::dead_letter"]);
    let stats = queues.stats_of("q::dead_letter").unwrap();
    assert_eq!((stats.visible, stats.in_flight, stats.parked), (0, 0, 2));
    assert_eq!(held(&queues, "q::dead_letter"), [(1, 10), (3, 10)]);
    // What is parked is in nobody's way.
    put(&mut queues, "q::dead_letter", 4);
    assert_eq!(deliver(&mut queues).unwrap().2, [(4, 1)]);
    queues.unsubscribe(&key(2));
    assert_eq!(ids(queues.peek("q::dead_letter", 9)), [1, 3, 4]);
}

#[test]
fn dead_letters_come_in_the_order_in_which_they_died() {
    let mut queues = holding(2);
    subscribe(&mut queues, 1, "q", 1);
    let (slow, ..) = deliver(&mut queues).unwrap();
    subscribe(&mut queues, 2, "q", 1);
    fail(&mut queues, 10);
    queues.settle(slow.id, &FAILED);
    fail(&mut queues, 9);
    assert_eq!(ids(queues.peek("q::dead_letter", 9)), [2, 1]);
}

#[test]
fn subscriptions_take_turns() {
    let mut queues = queues();
    for subscriber in 1..=3 {
        subscribe(&mut queues, subscriber, "q", 1);
    }
    let mut served = Vec::new();
    for number in 1..=7 {
        put(&mut queues, "q", number);
        let (delivery, to, _) = deliver(&mut queues).unwrap();
        queues.settle(delivery.id, &acknowledged());
        served.push(to);
    }
    assert_eq!(served, [1, 2, 3, 1, 2, 3, 1]);
}

#[test]
fn a_busy_subscription_is_passed_over_and_a_new_one_comes_last() {
    let mut queues = holding(4);
    subscribe(&mut queues, 1, "q", 1);
    subscribe(&mut queues, 2, "q", 1);
    let (first, to, _) = deliver(&mut queues).unwrap();
    assert_eq!(to, 1);
    let (second, to, _) = deliver(&mut queues).unwrap();
    assert_eq!(to, 2);
    subscribe(&mut queues, 3, "q", 1);
    queues.settle(second.id, &acknowledged());
    queues.settle(first.id, &acknowledged());
    // 1 was served before 2, whatever the order in which they were done.
    assert_eq!(deliver(&mut queues).unwrap().1, 1);
    assert_eq!(deliver(&mut queues).unwrap().1, 2);
    assert!(deliver(&mut queues).is_none());
    put(&mut queues, "q", 5);
    assert_eq!(deliver(&mut queues).unwrap().1, 3);
}

#[test]
fn queues_take_turns() {
    let mut queues = queues();
    for (subscriber, queue) in [(1, "b"), (2, "a"), (3, "b"), (4, "a")] {
        subscribe(&mut queues, subscriber, queue, 1);
    }
    for (number, queue) in [(1, "b"), (2, "b"), (3, "a"), (4, "a")] {
        put(&mut queues, queue, number);
    }
    let served: Vec<u64> = std::iter::from_fn(|| Some(deliver(&mut queues)?.1)).collect();
    assert_eq!(served, [1, 2, 3, 4]);
}

#[test]
fn messages_wait_for_a_subscription_that_is_ready_and_no_attempt_counts() {
    let mut queues = holding(1);
    subscribe(&mut queues, 1, "q", 1);
    queues.set_ready(&key(1), false);
    assert!(deliver(&mut queues).is_none());
    assert_eq!(held(&queues, "q"), [(1, 0)]);
    subscribe(&mut queues, 2, "q", 1);
    let (delivery, to, _) = deliver(&mut queues).unwrap();
    assert_eq!(to, 2);
    queues.set_ready(&key(2), false);
    queues.set_ready(&key(2), false);
    queues.settle(delivery.id, &FAILED);
    assert!(deliver(&mut queues).is_none());
    queues.set_ready(&key(1), true);
    queues.set_ready(&key(1), true);
    assert_eq!(deliver(&mut queues).unwrap().2, [(1, 2)]);
    assert!(deliver(&mut queues).is_none());
}

#[test]
fn being_ready_again_during_a_delivery_starts_no_second_one() {
    let mut queues = holding(2);
    subscribe(&mut queues, 1, "q", 1);
    let (delivery, ..) = deliver(&mut queues).unwrap();
    queues.set_ready(&key(1), false);
    queues.set_ready(&key(1), true);
    assert!(deliver(&mut queues).is_none());
    queues.settle(delivery.id, &acknowledged());
    assert_eq!(deliver(&mut queues).unwrap().2, [(2, 1)]);
}

#[test]
fn a_delivery_outlives_its_subscription() {
    for (settlement, expected) in [(acknowledged(), vec![]), (FAILED, vec![(1, 1)])] {
        let mut queues = holding(1);
        subscribe(&mut queues, 1, "q", 1);
        let (delivery, ..) = deliver(&mut queues).unwrap();
        queues.unsubscribe(&key(1));
        queues.unsubscribe(&key(1));
        let stats = queues.stats_of("q").unwrap();
        assert_eq!((stats.in_flight, stats.subscriptions), (1, 0));
        assert!(queues.settle(delivery.id, &settlement).is_some());
        assert_eq!(held(&queues, "q"), expected);
        assert!(deliver(&mut queues).is_none());
    }
}

#[test]
fn a_subscription_does_not_inherit_the_delivery_of_its_namesake() {
    let mut queues = holding(3);
    subscribe(&mut queues, 1, "q", 1);
    let (older, ..) = deliver(&mut queues).unwrap();
    subscribe(&mut queues, 1, "q", 1);
    let (newer, ..) = deliver(&mut queues).unwrap();
    queues.settle(older.id, &FAILED);
    assert!(deliver(&mut queues).is_none(), "the newer one is under way");
    queues.settle(newer.id, &FAILED);
    assert_eq!(deliver(&mut queues).unwrap().2, [(1, 2)]);
    assert_eq!(queues.stats_of("q").unwrap().subscriptions, 1);
}

#[test]
fn a_subscription_can_move_to_another_queue() {
    let mut queues = holding(1);
    subscribe(&mut queues, 1, "q", 1);
    let (delivery, ..) = deliver(&mut queues).unwrap();
    subscribe(&mut queues, 1, "r", 1);
    put(&mut queues, "r", 2);
    queues.settle(delivery.id, &FAILED);
    assert_eq!(deliver(&mut queues).unwrap().2, [(2, 1)]);
    assert!(deliver(&mut queues).is_none());
    assert_eq!(held(&queues, "q"), [(1, 1)]);
}

#[test]
fn a_store_is_all_that_is_needed_to_go_on() {
    let mut queues = holding(3);
    subscribe(&mut queues, 1, "q", 1);
    assert_eq!(fail(&mut queues, 9).len(), 9);
    let (last, _, messages) = deliver(&mut queues).unwrap();
    assert_eq!(messages, [(1, 10)]);
    subscribe(&mut queues, 2, "q", 1);
    let (_, _, messages) = deliver(&mut queues).unwrap();
    assert_eq!(messages, [(2, 1)]);
    let mut reopened = Queues::open(QueueLimits::default(), queues.store.clone());
    assert_eq!(held(&reopened, "q"), [(2, 1), (3, 0)]);
    assert_eq!(held(&reopened, "q::dead_letter"), [(1, 0)]);
    assert_eq!(reopened.bytes, queues.bytes);
    assert!(deliver(&mut reopened).is_none());
    assert_eq!(reopened.settle(last.id, &acknowledged()), None);
    put(&mut reopened, "q", 4);
    subscribe(&mut reopened, 1, "q", 10);
    assert_eq!(deliver(&mut reopened).unwrap().2, [(2, 2), (3, 1), (4, 1)]);
}

#[test]
fn stats_and_peek_tell_and_change_nothing() {
    let mut queues = holding(3);
    subscribe(&mut queues, 1, "q", 1);
    deliver(&mut queues).unwrap();
    put(&mut queues, "a", 7);
    let all: Vec<_> = queues.stats().collect();
    assert_eq!(
        all.iter().map(|it| it.queue).collect::<Vec<_>>(),
        ["a", "q"]
    );
    let [_, q] = &all[..] else {
        panic!("two queues")
    };
    assert_eq!((q.visible, q.in_flight, q.parked), (2, 1, 0));
    assert_eq!((q.subscriptions, q.dead_letters), (1, 0));
    assert_eq!(q.bytes, 3 * 257);
    assert_eq!(q.oldest_enqueued_at, Some(Duration::from_secs(1)));
    assert_eq!(ids(queues.peek("q", 2)), [1, 2]);
    assert_eq!(held(&queues, "q"), [(1, 1), (2, 0), (3, 0)]);
    assert_eq!(queues.stats_of("none"), None);
    assert_eq!(ids(queues.peek("none", 2)), [0; 0]);
}
