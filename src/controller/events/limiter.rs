//! Limits on Events: no repetitions within [`MEMORY`], at most [`PER_MINUTE`] per object and minute. Memory is bounded by [`CAPACITY`]
//! and each decision takes constant time, so that thousands of flapping objects do no harm.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// Time in which a text is not repeated. The API server keeps Events for an hour.
const MEMORY: Duration = Duration::from_secs(6 * 60);

const MINUTE: Duration = Duration::from_secs(60);

/// Events per object and minute.
const PER_MINUTE: usize = 10;

/// Remembered Events. Beyond that, the oldest are forgotten.
const CAPACITY: usize = 20_000;

/// Hashes of object and text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    object: u64,
    text: u64,
}

/// Decision about an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Admitted,
    Repeated,
    TooMany,
}

/// Remembered Event of an object.
#[derive(Debug)]
struct Admission {
    at: Instant,
    /// `None` if it was not delivered, and may be repeated.
    text: Option<u64>,
}

/// Admitted Events of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    hasher: RandomState,
    /// Objects of all admissions, oldest first.
    order: VecDeque<(Instant, u64)>,
    /// Admissions per object, oldest first; together as many as `order` has.
    objects: HashMap<u64, VecDeque<Admission>>,
}

impl Limiter {
    pub(super) fn subject(&self, object: &impl Hash, text: &impl Hash) -> Subject {
        Subject { object: self.hasher.hash_one(object), text: self.hasher.hash_one(text) }
    }

    /// Decides about an Event and remembers it.
    pub(super) fn admit(&mut self, subject: Subject, now: Instant) -> Verdict {
        self.forget_old(now);
        let admissions = self.objects.entry(subject.object).or_default();
        if admissions.iter().any(|admission| admission.text == Some(subject.text)) {
            return Verdict::Repeated;
        }
        let recent = admissions.iter().rev().take_while(|admission| now.duration_since(admission.at) < MINUTE);
        if recent.count() >= PER_MINUTE {
            return Verdict::TooMany;
        }
        admissions.push_back(Admission { at: now, text: Some(subject.text) });
        self.order.push_back((now, subject.object));
        Verdict::Admitted
    }

    /// Allows a repetition of an Event that was not delivered. It still counts towards the limit.
    pub(super) fn withdraw(&mut self, subject: Subject) {
        let Some(admissions) = self.objects.get_mut(&subject.object) else { return };
        if let Some(admission) = admissions.iter_mut().find(|admission| admission.text == Some(subject.text)) {
            admission.text = None;
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((at, object)) = self.order.front() {
            if now.duration_since(*at) < MEMORY && self.order.len() < CAPACITY {
                return;
            }
            if let Some(admissions) = self.objects.get_mut(object) {
                admissions.pop_front();
                if admissions.is_empty() {
                    self.objects.remove(object);
                }
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn admit(limiter: &mut Limiter, object: usize, text: &str, now: Instant) -> Verdict {
        let subject = limiter.subject(&object, &text);
        limiter.admit(subject, now)
    }

    #[test]
    fn a_text_is_repeated_after_six_minutes() {
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        assert_eq!(admit(&mut limiter, 1, "weights 80/20", start), Verdict::Admitted);
        assert_eq!(admit(&mut limiter, 1, "weights 50/50", start + SECOND), Verdict::Admitted);
        assert_eq!(admit(&mut limiter, 2, "weights 80/20", start + SECOND), Verdict::Admitted);
        assert_eq!(admit(&mut limiter, 1, "weights 80/20", start + 359 * SECOND), Verdict::Repeated);
        assert_eq!(admit(&mut limiter, 1, "weights 80/20", start + 360 * SECOND), Verdict::Admitted);
    }

    #[test]
    fn an_object_gets_ten_events_per_minute() {
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        let texts: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        let admitted = |verdict: &Verdict| *verdict == Verdict::Admitted;
        let first = texts.iter().take(100).map(|text| admit(&mut limiter, 1, text, start)).filter(admitted).count();
        assert_eq!(first, PER_MINUTE);
        assert_eq!(admit(&mut limiter, 2, "0", start), Verdict::Admitted);
        let later = start + MINUTE;
        let second = texts.iter().skip(100).map(|text| admit(&mut limiter, 1, text, later)).filter(admitted).count();
        assert_eq!(second, PER_MINUTE);
    }

    #[test]
    fn an_event_that_was_not_delivered_may_be_repeated() {
        let (mut limiter, now) = (Limiter::default(), Instant::now());
        let subject = limiter.subject(&1, &"text");
        for _ in 0..PER_MINUTE {
            assert_eq!(limiter.admit(subject, now), Verdict::Admitted);
            limiter.withdraw(subject);
        }
        assert_eq!(limiter.admit(subject, now), Verdict::TooMany);
    }

    #[test]
    fn memory_is_bounded() {
        let (mut limiter, now) = (Limiter::default(), Instant::now());
        for object in 0..3 * CAPACITY {
            assert_eq!(admit(&mut limiter, object, "text", now), Verdict::Admitted);
            assert_eq!(admit(&mut limiter, object, "text", now), Verdict::Repeated);
        }
        assert!(limiter.objects.len() <= CAPACITY && limiter.order.len() <= CAPACITY);
        assert_eq!(admit(&mut limiter, 0, "text", now + MEMORY), Verdict::Admitted);
        assert_eq!((limiter.objects.len(), limiter.order.len()), (1, 1));
    }
}
