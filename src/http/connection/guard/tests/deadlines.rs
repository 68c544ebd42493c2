//! Deadlines, and the stop of the server.

use tokio::sync::watch;

use super::*;

#[tokio::test(start_paused = true)]
async fn every_head_has_five_seconds() {
    for before in [0, 1] {
        let mut rig = Rig::new();
        for _ in 0..before {
            rig.exchange();
        }
        pass(30.0).await;
        assert_eq!(rig.read(), None);
        for _ in 0..4 {
            rig.send(b"G");
            assert_eq!(rig.read(), None);
            pass(1.2).await;
        }
        assert_eq!(rig.read(), None);
        rig.wakes();
        pass(0.3).await;
        assert!(rig.wakes() > 0);
        assert_eq!(rig.read().as_deref(), Some(&b""[..]));
        assert_eq!(rig.refused(HeadRefusal::TooSlow), 1);
        assert!(rig.shut_down().is_pending());
        rig.send(b"");
        assert!(rig.shut_down().is_ready());
        assert!(String::from_utf8_lossy(&rig.client.borrow().received).contains("HTTP/1.1 408 "));
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_has_seventy_five_seconds_from_its_last_answer() {
    let mut rig = Rig::new();
    assert_eq!(rig.read(), None);
    pass(74.0).await;
    assert_eq!(rig.read(), None);
    rig.exchange();
    rig.wakes();
    pass(74.0).await;
    assert_eq!(rig.read(), None);
    pass(2.0).await;
    assert!(rig.wakes() > 0);
    assert_eq!(rig.read().as_deref(), Some(&b""[..]));
    assert_eq!(rig.client.borrow().received, ANSWER);
    // One that has never asked, and one that is answered before it was ever idle.
    let mut silent = Rig::new();
    assert_eq!(silent.read(), None);
    let mut busy = Rig::new();
    busy.exchange();
    pass(76.0).await;
    assert!(silent.wakes() > 0 && busy.wakes() > 0);
    assert_eq!(silent.read().as_deref(), Some(&b""[..]));
    assert_eq!(busy.read().as_deref(), Some(&b""[..]));
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_progress_ends_after_ten_seconds_and_a_slow_one_after_sixty() {
    let mut rig = Rig::asking();
    rig.client.borrow_mut().takes = 10;
    assert_eq!(rig.write(ANSWER).unwrap(), 10);
    pass(9.0).await;
    assert_eq!(rig.write(&ANSWER[10..]).unwrap(), 0);
    rig.client.borrow_mut().takes = 1;
    assert_eq!(rig.write(&ANSWER[10..]).unwrap(), 1);
    rig.wakes();
    pass(9.0).await;
    assert_eq!(rig.write(&ANSWER[11..]).unwrap(), 0);
    pass(2.0).await;
    assert!(rig.wakes() > 0);
    assert_eq!(rig.write(&ANSWER[11..]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(rig.cut(Cut::Stalled), 1);

    let mut rig = Rig::asking();
    rig.client.borrow_mut().takes = 0;
    assert_eq!(rig.write(ANSWER).unwrap(), 0);
    for byte in 0..7 {
        pass(8.0).await;
        rig.client.borrow_mut().takes = 1;
        assert_eq!(rig.write(&ANSWER[byte..]).unwrap(), 1);
    }
    pass(5.0).await;
    assert_eq!(rig.write(&ANSWER[7..]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(rig.cut(Cut::Slow), 1);
    assert_eq!(rig.cut(Cut::Stalled), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_not_read_ends_after_ten_seconds() {
    let mut rig = Rig::new();
    rig.client.borrow_mut().takes = 0;
    rig.send(b"\x16\x03");
    rig.read();
    assert!(rig.shut_down().is_pending());
    pass(9.0).await;
    assert!(rig.shut_down().is_pending());
    pass(2.0).await;
    assert!(matches!(rig.shut_down(), Poll::Ready(Err(_))));
    assert_eq!(rig.cut(Cut::Stalled), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_take_its_time() {
    let mut rig = Rig::asking();
    pass(600.0).await;
    assert_eq!(rig.read(), None);
    rig.wakes();
    assert_eq!(rig.write(ANSWER).unwrap(), ANSWER.len());
    // Nothing is to be done until the next request or the deadline.
    assert_eq!(rig.wakes(), 0);
    pass(74.0).await;
    assert_eq!(rig.wakes(), 0);
    pass(2.0).await;
    assert!(rig.wakes() > 0);
    assert_eq!(rig.read().as_deref(), Some(&b""[..]));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_after_an_answer_is_not_that_of_a_slow_client() {
    // A timer that was set for a far deadline, and one that was set for a near one.
    for near in [false, true] {
        let mut rig = Rig::new();
        rig.stream.deadlines.idle = Duration::from_secs(if near { 75 } else { 2 });
        rig.send(GET);
        rig.read();
        rig.client.borrow_mut().takes = 0;
        assert_eq!(rig.write(ANSWER).unwrap(), 0);
        pass(1.0).await;
        rig.client.borrow_mut().takes = 1000;
        rig.write(ANSWER).unwrap();
        rig.wakes();
        if near {
            pass(70.0).await;
            assert_eq!(rig.read(), None);
            pass(6.0).await;
        } else {
            pass(2.1).await;
        }
        assert!(rig.wakes() > 0, "{near}");
        assert_eq!(rig.read().as_deref(), Some(&b""[..]), "{near}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_idle_connections_and_no_others() {
    let (stop, stopped) = watch::channel(false);
    let new_rig = || {
        let mut stopped = stopped.clone();
        Rig::stopping_when(Box::pin(async move {
            stopped.wait_for(|is_stopped| *is_stopped).await.unwrap();
        }))
    };
    let mut idle = new_rig();
    assert_eq!(idle.read(), None);
    let mut heading = new_rig();
    heading.send(&GET[..5]);
    assert_eq!(heading.read(), None);
    let mut answering = new_rig();
    answering.send(GET);
    answering.read();
    // Watched since its answer, though it was never idle when it was read.
    let mut answered = new_rig();
    answered.exchange();
    answered.wakes();
    stop.send(true).unwrap();
    assert_eq!(answered.wakes(), 1);
    assert_eq!(answered.read().as_deref(), Some(&b""[..]));
    assert_eq!(idle.read().as_deref(), Some(&b""[..]));
    assert_eq!(heading.read(), None);
    heading.send(&GET[5..]);
    assert_eq!(heading.read().as_deref(), Some(GET));
    for mut rig in [heading, answering] {
        assert_eq!(rig.read(), None);
        rig.write(ANSWER).unwrap();
        assert_eq!(rig.wakes(), 1);
        assert_eq!(rig.read().as_deref(), Some(&b""[..]));
    }
    // A request from before the stop is answered.
    let mut asked = new_rig();
    asked.send(GET);
    assert_eq!(asked.read().as_deref(), Some(GET));
}
