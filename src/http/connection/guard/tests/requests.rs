//! Which bytes pass, and how connections end.

use super::*;

#[tokio::test(start_paused = true)]
async fn one_head_passes_at_a_time_and_none_while_an_answer_is_on_its_way() {
    let mut rig = Rig::new();
    assert_eq!(rig.read(), None);
    rig.send(&[GET, HEAD, GET, &GET[..9]].concat());
    assert_eq!(rig.read().as_deref(), Some(GET));
    assert_eq!(rig.read(), None);
    rig.write(&ANSWER[..20]).unwrap();
    assert_eq!((rig.read(), rig.wakes()), (None, 0));
    rig.write(&ANSWER[20..]).unwrap();
    assert_eq!(rig.wakes(), 1);
    assert_eq!(rig.read().as_deref(), Some(HEAD));
    assert_eq!(rig.read(), None);
    rig.write(WITHOUT_BODY).unwrap();
    assert_eq!(rig.read().as_deref(), Some(GET));
    rig.write(ANSWER).unwrap();
    assert_eq!(rig.read(), None);
    rig.send(&GET[9..]);
    assert_eq!(rig.read().as_deref(), Some(GET));
    rig.write(ANSWER).unwrap();
    let expected = [ANSWER, WITHOUT_BODY, ANSWER, ANSWER].concat();
    assert_eq!(rig.client.borrow().received, expected);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_written_and_what_still_comes_is_dropped() {
    let mut rig = Rig::new();
    rig.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nbody");
    assert_eq!(rig.read().as_deref(), Some(&b""[..]));
    assert_eq!(rig.refused(HeadRefusal::Body), 1);
    rig.client.borrow_mut().takes = 10;
    assert!(rig.shut_down().is_pending());
    assert_eq!(rig.client.borrow().received, b"HTTP/1.1 4");
    rig.client.borrow_mut().takes = 1000;
    assert!(rig.shut_down().is_pending());
    let received = String::from_utf8(rig.client.borrow().received.clone()).unwrap();
    assert!(received.starts_with("HTTP/1.1 413 "), "{received}");
    assert!(rig.client.borrow().is_shut_down);
    rig.send(b"more of the body");
    assert!(rig.shut_down().is_pending());
    assert!(rig.client.borrow().sends.is_empty());
    rig.send(b"");
    assert!(rig.shut_down().is_ready());
}

#[tokio::test(start_paused = true)]
async fn what_a_client_sends_after_the_end_is_dropped_for_two_seconds_or_until_it_is_too_much() {
    let refused = || {
        let mut rig = Rig::new();
        rig.send(b"nonsense\n");
        assert_eq!(rig.read().as_deref(), Some(&b""[..]));
        assert!(rig.shut_down().is_pending());
        rig
    };
    let mut rig = refused();
    pass(1.9).await;
    assert!(rig.shut_down().is_pending());
    pass(0.2).await;
    assert!(rig.shut_down().is_ready());

    let mut rig = refused();
    let megabyte = vec![0; 1 << 20];
    let mut sent = 0;
    while rig.shut_down().is_pending() {
        if rig.client.borrow().sends.is_empty() {
            rig.send(&megabyte);
            sent += 1;
        }
        assert!(sent <= 17, "{sent} MiB");
    }
    assert!(sent >= 15, "{sent} MiB");
}

#[tokio::test(start_paused = true)]
async fn an_orderly_end_needs_no_lingering() {
    let mut rig = Rig::asking();
    rig.write(ANSWER).unwrap();
    assert!(rig.shut_down().is_ready());
    // With more requests behind it, the end waits for the client's.
    let mut rig = Rig::new();
    rig.send(&[GET, GET].concat());
    rig.read();
    rig.write(ANSWER).unwrap();
    assert!(rig.shut_down().is_pending());
    rig.send(b"");
    assert!(rig.shut_down().is_ready());
    // So it does where they are still in the socket.
    let mut rig = Rig::asking();
    rig.send(GET);
    rig.write(ANSWER).unwrap();
    assert_eq!(rig.wakes(), 1);
    assert!(rig.shut_down().is_pending());
}
