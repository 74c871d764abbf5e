//! The features of the route guide, and queries about them.

use std::collections::{HashMap, VecDeque};

use crate::error::ServiceError;
use crate::pb::route_guide::{Feature, Point, Rectangle, RouteNote, RouteSummary};

/// Names, latitudes and longitudes of a fictional mountain railway's stations, from the lower end.
const STATIONS: [(&str, i32, i32); 9] = [
    ("Lakeside", 461_200_000, 78_300_000),
    ("Boatyard", 461_300_000, 78_350_000),
    ("Old Tannery", 461_420_000, 78_430_000),
    ("Orchard", 461_510_000, 78_500_000),
    ("Mill Bridge", 461_700_000, 78_680_000),
    ("Beech Wood", 461_860_000, 78_840_000),
    ("Marble Quarry", 462_100_000, 79_150_000),
    ("Upper Pasture", 462_290_000, 79_390_000),
    ("Observatory", 462_400_000, 79_560_000),
];

/// Degrees are integers in units of 10^-7.
const PER_DEGREE: i32 = 10_000_000;
/// Mean radius of the earth in metres.
const EARTH_RADIUS: f64 = 6_371_000.0;
/// Notes that a call remembers per point, points per call, and bytes per message: a stream of any length takes about 1 MB at most.
const MAX_NOTES: usize = 10;
const MAX_NOTED_POINTS: usize = 100;
const MAX_MESSAGE: usize = 1_000;

fn feature((name, latitude, longitude): (&str, i32, i32)) -> Feature {
    Feature { name: name.to_owned(), location: Some(Point { latitude, longitude }) }
}

/// Returns the point, checked. A missing one is the origin, as missing numbers are zero.
fn checked(point: Option<Point>) -> Result<Point, ServiceError> {
    let point = point.unwrap_or_default();
    let degrees = [("latitude", point.latitude, 90), ("longitude", point.longitude, 180)];
    for (name, value, limit) in degrees {
        if value.unsigned_abs() > (limit * PER_DEGREE).unsigned_abs() {
            let limit = limit * PER_DEGREE;
            return Err(ServiceError::bad(format!("{name} is {value}, expected -{limit} to {limit} (degrees × 10^7)")));
        }
    }
    Ok(point)
}

/// Returns the feature at a point; without a name if there is none.
pub(super) fn at(point: Point) -> Result<Feature, ServiceError> {
    let point = checked(Some(point))?;
    let known = STATIONS
        .into_iter()
        .find(|(_, latitude, longitude)| (*latitude, *longitude) == (point.latitude, point.longitude));
    Ok(known.map_or_else(|| Feature { name: String::new(), location: Some(point) }, feature))
}

/// Returns the features in a rectangle, borders included, in the order of the line.
pub(super) fn within(rectangle: Rectangle) -> Result<Vec<Feature>, ServiceError> {
    let (lo, hi) = (checked(rectangle.lo)?, checked(rectangle.hi)?);
    let between = |value: i32, a: i32, b: i32| (a.min(b)..=a.max(b)).contains(&value);
    let inside = |(_, latitude, longitude): &(&str, i32, i32)| {
        between(*latitude, lo.latitude, hi.latitude) && between(*longitude, lo.longitude, hi.longitude)
    };
    Ok(STATIONS.into_iter().filter(inside).map(feature).collect())
}

/// Returns the distance between two points in metres, by the haversine formula.
fn distance(a: Point, b: Point) -> f64 {
    let radians = |degrees: i32| (f64::from(degrees) / f64::from(PER_DEGREE)).to_radians();
    let (a_latitude, b_latitude) = (radians(a.latitude), radians(b.latitude));
    let haversine = |angle: f64| (angle / 2.0).sin().powi(2);
    let between = haversine(b_latitude - a_latitude)
        + a_latitude.cos() * b_latitude.cos() * haversine(radians(b.longitude) - radians(a.longitude));
    2.0 * EARTH_RADIUS * between.sqrt().min(1.0).asin()
}

/// Summary of a route, in constant memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Route {
    points: i32,
    features: i32,
    metres: f64,
    last: Option<Point>,
}

impl Route {
    /// Adds the next point.
    pub fn add(&mut self, point: Point) -> Result<(), ServiceError> {
        let is_named = !at(point)?.name.is_empty();
        self.points = self.points.saturating_add(1);
        self.features = self.features.saturating_add(i32::from(is_named));
        self.metres += self.last.map_or(0.0, |last| distance(last, point));
        self.last = Some(point);
        Ok(())
    }

    /// Returns the summary of a route that took so many seconds.
    #[allow(clippy::cast_possible_truncation, reason = "casts from floating point saturate")]
    pub fn summary(&self, seconds: u64) -> RouteSummary {
        RouteSummary {
            point_count: self.points,
            feature_count: self.features,
            distance: self.metres.round() as i32,
            elapsed_time: i32::try_from(seconds).unwrap_or(i32::MAX),
        }
    }
}

/// Notes of one call, by point.
#[derive(Debug, Default)]
pub(super) struct Notes(HashMap<(i32, i32), VecDeque<RouteNote>>);

impl Notes {
    /// Adds a note and returns all notes at its point, oldest first.
    pub fn add(&mut self, note: RouteNote) -> Result<Vec<RouteNote>, ServiceError> {
        let Point { latitude, longitude } = checked(note.location)?;
        if note.message.len() > MAX_MESSAGE {
            return Err(ServiceError::bad(format!("the message has more than {MAX_MESSAGE} bytes")));
        }
        if self.0.len() == MAX_NOTED_POINTS && !self.0.contains_key(&(latitude, longitude)) {
            return Err(ServiceError::bad(format!("a call can have notes at up to {MAX_NOTED_POINTS} points")));
        }
        let notes = self.0.entry((latitude, longitude)).or_default();
        if notes.len() == MAX_NOTES {
            notes.pop_front();
        }
        notes.push_back(note);
        Ok(notes.iter().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORCHARD: Point = Point { latitude: 461_510_000, longitude: 78_500_000 };

    fn names(features: Vec<Feature>) -> Vec<String> {
        features.into_iter().map(|feature| feature.name).collect()
    }

    #[test]
    fn features_are_found_by_their_point() {
        assert_eq!(at(ORCHARD).unwrap().name, "Orchard");
        let nothing = at(Point { latitude: 1, longitude: -1 }).unwrap();
        assert_eq!((nothing.name.as_str(), nothing.location.unwrap().longitude), ("", -1));
    }

    #[test]
    fn rectangles_include_their_borders_and_may_be_given_by_any_two_corners() {
        let upper = Point { latitude: 462_100_000, longitude: 79_150_000 };
        let expected = ["Orchard", "Mill Bridge", "Beech Wood", "Marble Quarry"];
        for (lo, hi) in [(ORCHARD, upper), (upper, ORCHARD)] {
            assert_eq!(names(within(Rectangle { lo: Some(lo), hi: Some(hi) }).unwrap()), expected);
        }
        assert!(within(Rectangle::default()).unwrap().is_empty());
    }

    #[test]
    fn points_that_are_not_on_the_earth_are_rejected() {
        for (latitude, longitude) in [(900_000_001, 0), (0, -1_800_000_001), (i32::MIN, 0)] {
            let point = Point { latitude, longitude };
            assert!(at(point).is_err() && Route::default().add(point).is_err(), "{point:?}");
            assert!(within(Rectangle { lo: None, hi: Some(point) }).is_err(), "{point:?}");
        }
        let message = at(Point { latitude: 900_000_001, longitude: 0 }).unwrap_err().message;
        assert_eq!(message, "latitude is 900000001, expected -900000000 to 900000000 (degrees × 10^7)");
    }

    #[test]
    fn a_route_has_points_features_and_a_length() {
        let mut route = Route::default();
        for point in [ORCHARD, Point { latitude: 471_510_000, ..ORCHARD }] {
            route.add(point).unwrap();
        }
        let summary = route.summary(u64::MAX);
        assert_eq!((summary.point_count, summary.feature_count, summary.elapsed_time), (2, 1, i32::MAX));
        // One degree of latitude is 2π × 6371 km / 360.
        assert_eq!(summary.distance, 111_195);
        assert_eq!(Route::default().summary(0), RouteSummary::default());
    }

    #[test]
    fn notes_are_kept_per_point_and_bounded() {
        let note = |latitude, message: &str| RouteNote {
            location: Some(Point { latitude, longitude: 0 }),
            message: message.to_owned(),
        };
        let mut notes = Notes::default();
        assert_eq!(notes.add(note(1, "a")).unwrap(), [note(1, "a")]);
        assert_eq!(notes.add(note(2, "b")).unwrap(), [note(2, "b")]);
        assert_eq!(notes.add(note(1, "c")).unwrap(), [note(1, "a"), note(1, "c")]);
        for _ in 0..20 {
            assert!(notes.add(note(1, "d")).unwrap().len() <= MAX_NOTES);
        }
        let many = (3..).map(|latitude| notes.add(note(latitude, "e"))).take(MAX_NOTED_POINTS);
        assert_eq!(many.filter(Result::is_err).count(), 2);
        notes.add(note(1, &"é".repeat(501))).unwrap_err();
    }
}
