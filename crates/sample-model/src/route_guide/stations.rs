//! The stations of the railway line, and queries about them.

use crate::error::ServiceError;
use crate::pb::route_guide::{Notice, Passage, PassengerCount, Station};

/// Names and distances in kilometres from the lower end. The line is fictional.
const STATIONS: [(&str, f64); 9] = [
    ("Lakeside", 0.0),
    ("Boatyard", 1.2),
    ("Old Tannery", 2.9),
    ("Orchard", 4.1),
    ("Mill Bridge", 6.8),
    ("Beech Wood", 9.0),
    ("Marble Quarry", 12.6),
    ("Upper Pasture", 15.5),
    ("Observatory", 17.3),
];

/// Length of the line.
const LENGTH_KM: f64 = STATIONS[STATIONS.len() - 1].1;

fn station((name, km): (&str, f64)) -> Station {
    Station { name: name.to_owned(), km }
}

fn check_km(km: f64) -> Result<(), ServiceError> {
    if (0.0..=LENGTH_KM).contains(&km) {
        return Ok(());
    }
    Err(ServiceError::bad(format!("km is {km}; the line goes from 0 to {LENGTH_KM}")))
}

/// Returns the index of a station.
fn named(name: &str) -> Result<usize, ServiceError> {
    STATIONS.iter().position(|(known, _)| *known == name).ok_or_else(|| {
        let known: Vec<_> = STATIONS.iter().map(|(known, _)| *known).collect();
        ServiceError::unknown(format!("unknown station `{name}`; the line has: {}", known.join(", ")))
    })
}

/// Returns the station nearest to a position; the lower one if two are equally near.
pub(super) fn nearest(km: f64) -> Result<Station, ServiceError> {
    check_km(km)?;
    let distance = |station: &(&str, f64)| (station.1 - km).abs();
    let mut nearest = STATIONS[0];
    for candidate in STATIONS {
        if distance(&candidate) < distance(&nearest) {
            nearest = candidate;
        }
    }
    Ok(station(nearest))
}

/// Returns the next station uphill, and how far it is.
pub(super) fn next(km: f64) -> Result<Notice, ServiceError> {
    check_km(km)?;
    let next = STATIONS.into_iter().find(|(_, at)| *at > km).unwrap_or(STATIONS[STATIONS.len() - 1]);
    Ok(Notice { next: Some(station(next)), distance_km: next.1 - km })
}

/// A train that starts uphill and turns at each end.
#[derive(Clone, Debug)]
pub(super) struct Train {
    at: usize,
    goes_down: bool,
}

impl Train {
    /// Creates a train at a station; at the lowest one if the name is empty.
    pub fn starting(from: &str) -> Result<Self, ServiceError> {
        Ok(Self { at: if from.is_empty() { 0 } else { named(from)? }, goes_down: false })
    }

    /// Returns the current station and moves to the next one.
    pub fn stop(&mut self) -> Station {
        let here = station(STATIONS[self.at]);
        if self.at == 0 {
            self.goes_down = false;
        } else if self.at + 1 == STATIONS.len() {
            self.goes_down = true;
        }
        if self.goes_down {
            self.at -= 1;
        } else {
            self.at += 1;
        }
        here
    }
}

/// Sum of passages, in constant memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Counting {
    count: PassengerCount,
    last_km: Option<f64>,
}

impl Counting {
    /// Adds one passage.
    pub fn add(&mut self, passage: &Passage) -> Result<(), ServiceError> {
        let (_, km) = STATIONS[named(&passage.station)?];
        let PassengerCount { passages, boarded, alighted, km: ridden } = &mut self.count;
        *passages = passages.saturating_add(1);
        *boarded = boarded.saturating_add(passage.boarded.into());
        *alighted = alighted.saturating_add(passage.alighted.into());
        *ridden += self.last_km.map_or(0.0, |last| (km - last).abs());
        self.last_km = Some(km);
        Ok(())
    }

    /// Returns the sum.
    pub fn sum(self) -> PassengerCount {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stations_stand_uphill_in_a_row() {
        assert!(STATIONS.windows(2).all(|pair| pair[0].1 < pair[1].1 && pair[0].0 != pair[1].0));
    }

    #[test]
    fn every_position_on_the_line_has_a_nearest_station_and_a_next_one() {
        for (km, near, next_one) in [
            (0.0, "Lakeside", "Boatyard"),
            (0.6, "Lakeside", "Boatyard"),
            (1.0, "Boatyard", "Boatyard"),
            (12.6, "Marble Quarry", "Upper Pasture"),
            (17.3, "Observatory", "Observatory"),
        ] {
            assert_eq!(nearest(km).unwrap().name, near, "{km}");
            assert_eq!(next(km).unwrap().next.unwrap().name, next_one, "{km}");
        }
        assert!((next(1.0).unwrap().distance_km - 0.2).abs() < 1e-9);
    }

    #[test]
    fn positions_off_the_line_are_refused() {
        for km in [-0.1, 17.4, f64::NAN, f64::INFINITY, f64::MIN] {
            assert!(nearest(km).is_err() && next(km).is_err(), "{km}");
        }
        assert_eq!(nearest(18.0).unwrap_err().message, "km is 18; the line goes from 0 to 17.3");
    }

    #[test]
    fn trains_turn_at_both_ends() {
        let stops = |from, count| -> Vec<String> {
            let mut train = Train::starting(from).unwrap();
            (0..count).map(|_| train.stop().name).collect()
        };
        assert_eq!(stops("Upper Pasture", 3), ["Upper Pasture", "Observatory", "Upper Pasture"]);
        let round = stops("", 18);
        assert_eq!((round[0].as_str(), round[8].as_str(), round[16].as_str()), ("Lakeside", "Observatory", "Lakeside"));
        assert_eq!(round[17], "Boatyard");
        assert!(Train::starting("Nowhere").unwrap_err().message.starts_with("unknown station `Nowhere`; the line has"));
    }

    #[test]
    fn passengers_and_kilometres_are_added_up() {
        let mut counting = Counting::default();
        for (station, boarded, alighted) in [("Orchard", 5, 0), ("Lakeside", 2, 3), ("Boatyard", u32::MAX, 4)] {
            counting.add(&Passage { station: station.into(), boarded, alighted }).unwrap();
        }
        counting.add(&Passage { station: "Nowhere".into(), ..Default::default() }).unwrap_err();
        let sum = counting.sum();
        assert_eq!((sum.passages, sum.boarded, sum.alighted), (3, 7 + u64::from(u32::MAX), 7));
        assert!((sum.km - 5.3).abs() < 1e-9, "{}", sum.km);
        assert_eq!(Counting::default().sum(), PassengerCount::default());
    }
}
