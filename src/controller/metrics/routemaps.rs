//! Metrics of routemaps, encoded from one entry per routemap: with 10,000 routemaps, families of gauges would repeat their names 40,000
//! times.

use std::collections::BTreeMap;
use std::fmt::Error;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::MetricType;

use crate::controller::keys::ObjectKey;

/// Last known state of one routemap.
#[derive(Debug, Default)]
struct State {
    is_valid: bool,
    desired: Box<[u32]>,
    applied: Box<[u32]>,
}

#[derive(Debug)]
pub(super) struct Routemaps {
    states: Mutex<BTreeMap<ObjectKey, State>>,
    has_versions: bool,
}

impl Routemaps {
    pub(super) fn new(has_versions: bool) -> Self {
        Self { states: Mutex::default(), has_versions }
    }

    pub(super) fn set_validity(&self, routemap: &ObjectKey, is_valid: bool) {
        self.update(routemap, |state| state.is_valid = is_valid);
    }

    pub(super) fn set_desired(&self, routemap: &ObjectKey, weights: &[u32]) {
        if self.has_versions {
            self.update(routemap, |state| replace(&mut state.desired, weights));
        }
    }

    pub(super) fn set_applied(&self, routemap: &ObjectKey, weights: &[u32]) {
        if self.has_versions {
            self.update(routemap, |state| replace(&mut state.applied, weights));
        }
    }

    pub(super) fn forget(&self, routemap: &ObjectKey) {
        self.states.lock().remove(routemap);
    }

    fn update(&self, routemap: &ObjectKey, change: impl FnOnce(&mut State)) {
        let mut states = self.states.lock();
        match states.get_mut(routemap) {
            Some(state) => change(state),
            None => change(states.entry(routemap.clone()).or_default()),
        }
    }

    fn encode_states(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let states = self.states.lock();
        let valid = states.values().filter(|state| state.is_valid).count();
        let mut metric = encoder.encode_descriptor("routemaps", "Routemaps by state.", None, MetricType::Gauge)?;
        for (state, count) in [("valid", valid), ("invalid", states.len() - valid)] {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            metric.encode_family(&[("state", state)])?.encode_gauge(&count)?;
        }
        Ok(())
    }

    fn encode_weights(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help): (&str, &str),
        weights: fn(&State) -> &[u32],
    ) -> Result<(), Error> {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (routemap, state) in self.states.lock().iter() {
            for (version, weight) in weights(state).iter().enumerate() {
                metric.encode_family(&VersionLabels { routemap, version })?.encode_gauge(weight)?;
            }
        }
        Ok(())
    }
}

impl Collector for Routemaps {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        self.encode_states(&mut encoder)?;
        if self.has_versions {
            let desired = ("weight_desired", "Weight that a version should have.");
            self.encode_weights(&mut encoder, desired, |state| &state.desired)?;
            let applied = ("weight_applied", "Weight of a version when its routes were last in place.");
            self.encode_weights(&mut encoder, applied, |state| &state.applied)?;
        }
        Ok(())
    }
}

/// Labels of a version.
struct VersionLabels<'a> {
    routemap: &'a ObjectKey,
    version: usize,
}

impl EncodeLabelSet for VersionLabels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), Error> {
        ("namespace", &*self.routemap.namespace).encode(encoder.encode_label())?;
        ("routemap", &*self.routemap.name).encode(encoder.encode_label())?;
        ("version", self.version).encode(encoder.encode_label())
    }
}

fn replace(known: &mut Box<[u32]>, weights: &[u32]) {
    if **known != *weights {
        *known = weights.into();
    }
}
