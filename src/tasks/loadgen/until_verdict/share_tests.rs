use super::*;

/// Intervals of `n` requests with these bad ones.
fn blocks(n: f64, bad: &[f64]) -> Vec<Block> {
    bad.iter().map(|k| Block { n, k: *k }).collect()
}

fn requests(n: f64, bad: &[f64]) -> Requests {
    Requests { known: blocks(n, bad), possible: blocks(n, bad), lower: None, ended: n * bad.len() as f64 }
}

fn rules(seconds: usize) -> Rules {
    Rules { alpha: 0.05, objectives: 1, burst: 0.1, elapsed: seconds as f64, corrections: Corrections::default() }
}

/// First second from the tenth on at which `n` requests per second, of which none is bad, satisfy the limit.
fn clean_until(n: f64, theta0: f64, burst: f64) -> usize {
    let is_satisfied = |seconds: &usize| {
        let rules = Rules { burst, ..rules(*seconds) };
        look(&requests(n, &vec![0.0; *seconds]), theta0, &rules).unwrap().verdict == Outcome::Satisfied
    };
    (10..2_000).find(is_satisfied).unwrap()
}

#[test]
fn requests_without_bad_ones_end_as_soon_as_bursts_of_100_ms_allow() {
    assert_eq!((clean_until(50.0, 0.05, 0.1), clean_until(500.0, 0.01, 0.1)), (14, 54));
    // Independent requests: the tenth second is enough for 5,000 of them.
    assert_eq!(clean_until(500.0, 0.01, 0.0), 10);
}

#[test]
fn a_share_far_above_the_limit_is_violated_and_one_at_it_is_not_decided() {
    let of = |bad: &[f64]| look(&requests(50.0, bad), 0.05, &rules(bad.len())).unwrap();
    let far = of(&[12.0, 14.0, 11.0, 13.0, 12.0, 12.0, 14.0, 11.0, 13.0, 12.0]);
    assert_eq!((far.verdict, far.k, far.n, far.progress), (Outcome::Violated, 124.0, 500.0, 1.0));
    let at: Vec<f64> = (0..120).map(|second| f64::from(1 + second % 4)).collect();
    let at = of(&at);
    assert_eq!(at.verdict, Outcome::Inconclusive);
    assert!(at.progress < 0.2, "{at:?}");
}

#[test]
fn bad_requests_of_one_second_are_no_evidence_of_a_violation() {
    let mut bad = vec![0.0; 20];
    bad[13] = 50.0;
    let looked = look(&requests(50.0, &bad), 0.01, &rules(20)).unwrap();
    assert_eq!(looked.verdict, Outcome::Inconclusive);
    assert!(looked.deff > 20.0, "{looked:?}");
}

#[test]
fn requests_that_may_be_bad_prevent_satisfied_and_do_not_violate() {
    let clean = requests(50.0, &[0.0; 20]);
    let stalled = Requests { possible: blocks(50.0, &[&[0.0; 19][..], &[40.0]].concat()), ..clean.clone() };
    let verdict = |requests: &Requests| look(requests, 0.05, &rules(20)).unwrap().verdict;
    assert_eq!((verdict(&clean), verdict(&stalled)), (Outcome::Satisfied, Outcome::Inconclusive));
}

#[test]
fn requests_that_may_be_bad_are_worth_fewer_if_they_came_together() {
    let verdict = |bad: [f64; 40]| {
        let requests = Requests { possible: blocks(50.0, &bad), ..requests(50.0, &[0.0; 40]) };
        look(&requests, 0.05, &Rules { burst: 0.0, ..rules(40) }).unwrap().verdict
    };
    let mut together = [0.0; 40];
    together[39] = 20.0;
    assert_eq!((verdict([0.5; 40]), verdict(together)), (Outcome::Satisfied, Outcome::Inconclusive));
}

#[test]
fn slow_requests_that_cluster_at_p90_are_not_independent_above_it() {
    let clean = requests(100.0, &[0.0; 30]);
    // A tenth of the requests is over p90, all of them in three seconds.
    let mut slow = vec![0.0; 30];
    slow[8..11].fill(100.0);
    let clustered = Requests { lower: Some(blocks(100.0, &slow)), ..clean.clone() };
    let verdict = |requests: &Requests| look(requests, 0.05, &rules(30)).unwrap().verdict;
    assert_eq!((verdict(&clean), verdict(&clustered)), (Outcome::Satisfied, Outcome::Inconclusive));
}

#[test]
fn one_error_violates_a_limit_of_none_and_none_never_satisfies_it() {
    let verdict = |bad: &[f64]| look(&requests(50.0, bad), 0.0, &rules(bad.len())).unwrap().verdict;
    let mut bad = vec![0.0; 30];
    assert_eq!(verdict(&bad), Outcome::Inconclusive);
    bad[0] = 1.0;
    assert_eq!(verdict(&bad), Outcome::Violated);
}

#[test]
fn more_objectives_need_more_evidence_to_violate() {
    let bad = requests(50.0, &[5.0, 5.0, 6.0, 4.0, 5.0, 6.0, 5.0, 4.0, 5.0, 6.0]);
    let verdict = |objectives| look(&bad, 0.05, &Rules { objectives, ..rules(10) }).unwrap().verdict;
    assert_eq!((verdict(1), verdict(1_000_000)), (Outcome::Violated, Outcome::Inconclusive));
}

#[test]
fn impossible_counts_are_not_judged() {
    for bad in [&[][..], &[1.0], &[60.0, 0.0], &[f64::NAN, 0.0]] {
        assert_eq!(look(&requests(50.0, bad), 0.05, &rules(10)), None, "{bad:?}");
    }
    assert_eq!(look(&requests(0.0, &[0.0; 12]), 0.05, &rules(12)), None);
}
