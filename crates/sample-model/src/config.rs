//! Configuration of a sample service, and its validation.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::classify::Classifier;
use super::random::SplitMix64;

/// An invalid setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ConfigError {
    /// Path of the setting, such as `versions[0].name`.
    pub path: String,
    /// Mistake and expectation.
    pub message: String,
}

impl ConfigError {
    fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    fn under(mut self, prefix: &str) -> Self {
        self.path = format!("{prefix}.{}", self.path);
        self
    }
}

/// Configuration of a sample service. By default, two versions of equal weight respond immediately and without errors.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleConfig {
    /// Name of the model, part of its URLs.
    pub model: String,
    /// Namespace in the labels of metrics.
    pub namespace: String,
    /// Address of all ports.
    pub bind: IpAddr,
    /// The front's port; 0 lets the system pick one.
    pub front_port: u16,
    /// The versions, 1 to 64 of them; the last one is the candidate.
    pub versions: Vec<VersionConfig>,
    /// Requests at the front with this header go to the candidate.
    pub header: HeaderRule,
    /// Serves gRPC reflection; many model servers lack it.
    pub reflection: bool,
    /// Decides every latency, error and selection of a version.
    pub seed: u64,
}

/// One version of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionConfig {
    /// Its name, part of every response.
    pub name: String,
    /// The model it runs.
    pub classifier: Classifier,
    /// Its share of the front's requests, relative to the sum of all weights.
    pub weight: u32,
    /// Its own port; 0 lets the system pick one.
    pub port: u16,
    /// Latency of predictions.
    pub latency: Latency,
    /// Share of predictions that fail with 503 or UNAVAILABLE, from 0 to 1.
    pub error_rate: f64,
}

/// A header and the value that selects the candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRule {
    /// Name of the header, in any case.
    pub name: String,
    /// Its value, exactly.
    pub value: String,
}

/// Distribution of latencies: a constant plus a log-normal part, capped at [`Latency::MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latency {
    /// The shortest latency.
    pub constant: Duration,
    /// Median of the part that varies.
    pub median: Duration,
    /// Standard deviation of that part's natural logarithm, from 0 (constant) to 5.
    pub sigma: f64,
}

/// The standard normal distribution's 99th percentile.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

impl Latency {
    /// Longest latency. The tail of a log-normal distribution is unbounded.
    pub const MAX: Duration = Duration::from_secs(60);

    /// Creates a latency that is the same for every prediction.
    pub const fn constant(latency: Duration) -> Self {
        Self { constant: latency, median: Duration::ZERO, sigma: 0.0 }
    }

    /// Returns the 99th percentile.
    pub fn p99(&self) -> Duration {
        self.at(NORMAL_P99)
    }

    /// Returns the latency of one prediction.
    pub(super) fn draw(&self, random: &mut SplitMix64) -> Duration {
        // Nothing is drawn without a varying part: this is the hot path of a service without latency.
        if self.median.is_zero() { self.constant.min(Self::MAX) } else { self.at(random.normal()) }
    }

    /// Returns the latency at this many deviations from the median.
    fn at(&self, deviations: f64) -> Duration {
        let varying = self.median.as_secs_f64() * (self.sigma * deviations).exp();
        let varying = Duration::try_from_secs_f64(varying).unwrap_or(Self::MAX);
        self.constant.saturating_add(varying).min(Self::MAX)
    }
}

impl VersionConfig {
    /// Creates a version that responds immediately and without errors, with a weight of 1.
    pub fn new(name: impl Into<String>, classifier: Classifier) -> Self {
        Self { name: name.into(), classifier, weight: 1, port: 0, latency: Latency::default(), error_rate: 0.0 }
    }
}

impl Default for SampleConfig {
    fn default() -> Self {
        Self {
            model: "sklearn-iris".into(),
            namespace: "default".into(),
            bind: Ipv4Addr::LOCALHOST.into(),
            front_port: 0,
            versions: vec![
                VersionConfig::new("v1", Classifier::NearestCentroid),
                VersionConfig::new("v2", Classifier::DecisionTree),
            ],
            header: HeaderRule { name: "traffic".into(), value: "test".into() },
            reflection: true,
            seed: 8,
        }
    }
}

impl SampleConfig {
    /// Returns the configuration of the demo: a stable version, and a faster candidate that gets a fifth of the traffic.
    pub fn demo() -> Self {
        let latency = |median_ms, sigma| Latency {
            constant: Duration::from_millis(2),
            median: Duration::from_millis(median_ms),
            sigma,
        };
        let mut config = Self::default();
        for (version, (weight, latency)) in
            config.versions.iter_mut().zip([(80, latency(6, 0.5)), (20, latency(3, 0.4))])
        {
            version.weight = weight;
            version.latency = latency;
        }
        config
    }

    /// Validates the configuration.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        name("model", &self.model)?;
        name("namespace", &self.namespace)?;
        if HeaderName::try_from(self.header.name.as_str()).is_err() {
            let message = format!("`{}` is not a valid header name", self.header.name);
            return Err(ConfigError::new("header.name", message));
        }
        // Quotes would break the curl commands.
        if HeaderValue::try_from(self.header.value.as_str()).is_err() || self.header.value.contains(['\'', '"']) {
            let message = format!("`{}` is not a valid header value without quotes", self.header.value);
            return Err(ConfigError::new("header.value", message));
        }
        if !(1..=64).contains(&self.versions.len()) {
            return Err(ConfigError::new("versions", format!("{} versions, expected 1 to 64", self.versions.len())));
        }
        for (index, version) in self.versions.iter().enumerate() {
            let at = format!("versions[{index}]");
            version.check().map_err(|error| error.under(&at))?;
            if self.versions[..index].iter().any(|other| other.name == version.name) {
                return Err(ConfigError::new(format!("{at}.name"), format!("duplicate name `{}`", version.name)));
            }
        }
        if self.versions.iter().all(|version| version.weight == 0) {
            return Err(ConfigError::new("versions", "no version has a weight above 0"));
        }
        Ok(())
    }
}

impl VersionConfig {
    fn check(&self) -> Result<(), ConfigError> {
        name("name", &self.name)?;
        if !(0.0..=1.0).contains(&self.error_rate) {
            return Err(ConfigError::new(
                "error_rate",
                format!("`{}` is not a valid share; expected 0 to 1", self.error_rate),
            ));
        }
        if !(0.0..=5.0).contains(&self.latency.sigma) {
            return Err(ConfigError::new(
                "latency.sigma",
                format!("`{}` is out of range; expected 0 to 5", self.latency.sigma),
            ));
        }
        Ok(())
    }
}

/// Validates a name. Names are part of URLs, headers, metric labels and shell commands; the accepted characters need no escaping there.
fn name(path: &str, text: &str) -> Result<(), ConfigError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=63).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(());
    }
    Err(ConfigError::new(
        path,
        format!("`{text}` is not a valid name; expected 1 to 63 letters, digits, `-`, `_` or `.`"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_and_demo_are_valid() {
        assert_eq!(SampleConfig::default().check(), Ok(()));
        assert_eq!(SampleConfig::demo().check(), Ok(()));
    }

    #[test]
    fn errors_name_the_setting() {
        type Change = fn(&mut SampleConfig);
        let cases: [(&str, Change); 11] = [
            ("model", |c| c.model = "a b".into()),
            ("namespace", |c| c.namespace = String::new()),
            ("header.name", |c| c.header.name = "a b".into()),
            ("header.value", |c| c.header.value = "a'b".into()),
            ("versions", |c| c.versions.clear()),
            ("versions", |c| c.versions.iter_mut().for_each(|v| v.weight = 0)),
            ("versions[1].name", |c| c.versions[1].name = "v1".into()),
            ("versions[0].name", |c| c.versions[0].name = "v\"1".into()),
            ("versions[1].error_rate", |c| c.versions[1].error_rate = 1.5),
            ("versions[0].error_rate", |c| c.versions[0].error_rate = f64::NAN),
            ("versions[0].latency.sigma", |c| c.versions[0].latency.sigma = f64::INFINITY),
        ];
        for (path, change) in cases {
            let mut config = SampleConfig::default();
            change(&mut config);
            assert_eq!(config.check().map_err(|error| error.path), Err(path.to_owned()));
        }
    }

    #[test]
    fn latencies_have_the_configured_median_and_p99() {
        let latency = Latency { constant: Duration::from_millis(2), median: Duration::from_millis(10), sigma: 0.5 };
        let mut drawn: Vec<Duration> = (0..20_000).map(|n| latency.draw(&mut SplitMix64::of_item(3, n))).collect();
        drawn.sort();
        let (median, p99) = (drawn[10_000].as_secs_f64(), drawn[19_800].as_secs_f64());
        assert!((median / 0.012 - 1.0).abs() < 0.02, "{median}");
        assert!((p99 / latency.p99().as_secs_f64() - 1.0).abs() < 0.05, "{p99}");
        assert!(drawn[0] > latency.constant);
    }

    #[test]
    fn latencies_are_capped_at_a_minute() {
        let latency = Latency { constant: Duration::MAX, median: Duration::MAX, sigma: 5.0 };
        assert_eq!(latency.draw(&mut SplitMix64::new(1)), Latency::MAX);
        assert_eq!(Latency::constant(Duration::MAX).draw(&mut SplitMix64::new(1)), Latency::MAX);
    }
}
