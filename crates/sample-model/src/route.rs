//! REST paths of both protocols and of the service's own pages.

use http::Method;

/// Meaning of a REST path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// List of all paths.
    Index,
    /// Liveness of the process.
    Health,
    /// Counts for Prometheus.
    Metrics,
    /// Counts as JSON.
    Stats,
    /// V1: names of all models.
    V1Models,
    /// V1: readiness of a model.
    V1Model(&'a str),
    /// V1: predict.
    V1Predict(&'a str),
    /// V2: server metadata.
    V2Server,
    /// V2: server liveness.
    V2Live,
    /// V2: server readiness.
    V2Ready,
    /// V2: model metadata.
    V2Model(ModelRef<'a>),
    /// V2: readiness of a model.
    V2ModelReady(ModelRef<'a>),
    /// V2: predict.
    V2Infer(ModelRef<'a>),
}

/// A model and, if the request names one, its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ModelRef<'a> {
    /// Name of the model.
    pub model: &'a str,
    /// Name of the version.
    pub version: Option<&'a str>,
}

impl<'a> Route<'a> {
    /// Parses a path; a trailing slash is ignored.
    pub fn of(path: &'a str) -> Option<Self> {
        let mut steps = [""; 6];
        let mut count = 0;
        let path = path.strip_prefix('/')?;
        for step in path.strip_suffix('/').unwrap_or(path).split('/') {
            *steps.get_mut(count)? = step;
            count += 1;
        }
        Some(match steps[..count] {
            [""] => Self::Index,
            ["healthz"] => Self::Health,
            ["metrics"] => Self::Metrics,
            ["stats"] => Self::Stats,
            ["v1", "models"] => Self::V1Models,
            ["v1", "models", name] => match name.split_once(':') {
                None => Self::V1Model(name),
                Some((model, "predict")) => Self::V1Predict(model),
                Some(_) => return None,
            },
            ["v2"] => Self::V2Server,
            ["v2", "health", "live"] => Self::V2Live,
            ["v2", "health", "ready"] => Self::V2Ready,
            ["v2", "models", model] => Self::V2Model(ModelRef { model, version: None }),
            ["v2", "models", model, "ready"] => Self::V2ModelReady(ModelRef { model, version: None }),
            ["v2", "models", model, "infer"] => Self::V2Infer(ModelRef { model, version: None }),
            ["v2", "models", model, "versions", version] => Self::V2Model(ModelRef { model, version: Some(version) }),
            ["v2", "models", model, "versions", version, step] => {
                let model_ref = ModelRef { model, version: Some(version) };
                match step {
                    "ready" => Self::V2ModelReady(model_ref),
                    "infer" => Self::V2Infer(model_ref),
                    _ => return None,
                }
            }
            _ => return None,
        })
    }

    /// Accepted methods, as in an `Allow` header.
    pub fn methods(self) -> &'static str {
        if matches!(self, Self::V1Predict(_) | Self::V2Infer(_)) { "POST" } else { "GET, HEAD" }
    }

    /// Returns true if the path accepts a method.
    pub fn accepts(self, method: &Method) -> bool {
        self.methods().split(", ").any(|name| name == method.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_the_protocols_write_them() {
        let model_ref = |version| ModelRef { model: "iris", version };
        let cases = [
            ("/", Some(Route::Index)),
            ("/healthz", Some(Route::Health)),
            ("/metrics", Some(Route::Metrics)),
            ("/stats", Some(Route::Stats)),
            ("/v1/models", Some(Route::V1Models)),
            ("/v1/models/", Some(Route::V1Models)),
            ("/v1/models/iris", Some(Route::V1Model("iris"))),
            ("/v1/models/iris:predict", Some(Route::V1Predict("iris"))),
            ("/v2", Some(Route::V2Server)),
            ("/v2/health/live", Some(Route::V2Live)),
            ("/v2/health/ready", Some(Route::V2Ready)),
            ("/v2/models/iris", Some(Route::V2Model(model_ref(None)))),
            ("/v2/models/iris/ready", Some(Route::V2ModelReady(model_ref(None)))),
            ("/v2/models/iris/infer", Some(Route::V2Infer(model_ref(None)))),
            ("/v2/models/iris/versions/v2", Some(Route::V2Model(model_ref(Some("v2"))))),
            ("/v2/models/iris/versions/v2/ready", Some(Route::V2ModelReady(model_ref(Some("v2"))))),
            ("/v2/models/iris/versions/v2/infer", Some(Route::V2Infer(model_ref(Some("v2"))))),
            ("", None),
            ("*", None),
            ("/v2//", None),
            ("/v1", None),
            ("/v1/models/iris:explain", None),
            ("/v2/models/iris/versions/v2/x", None),
            ("/v2/models/iris/versions/v2/infer/x", None),
        ];
        for (path, route) in cases {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }

    #[test]
    fn only_predictions_are_posted() {
        let predict = Route::V1Predict("iris");
        assert!(predict.accepts(&Method::POST) && !predict.accepts(&Method::GET));
        assert!(
            Route::Stats.accepts(&Method::GET)
                && Route::Stats.accepts(&Method::HEAD)
                && !Route::Stats.accepts(&Method::POST)
        );
    }
}
