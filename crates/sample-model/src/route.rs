//! The REST paths of both protocols and of the service's own pages.

use http::Method;

/// What a REST path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// The page that lists the others.
    Index,
    /// Whether the process is up.
    Health,
    /// Counts for Prometheus.
    Metrics,
    /// Counts as JSON.
    Stats,
    /// V1: the models' names.
    V1Models,
    /// V1: whether a model is ready.
    V1Model(&'a str),
    /// V1: predict.
    V1Predict(&'a str),
    /// V2: which server this is.
    V2Server,
    /// V2: whether the server runs.
    V2Live,
    /// V2: whether the server takes predictions.
    V2Ready,
    /// V2: what a model takes and gives.
    V2Model(Asked<'a>),
    /// V2: whether a model is ready.
    V2ModelReady(Asked<'a>),
    /// V2: predict.
    V2Infer(Asked<'a>),
}

/// A model and, where the client cares, its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    /// Name of the model.
    pub model: &'a str,
    /// Name of the version.
    pub version: Option<&'a str>,
}

impl<'a> Route<'a> {
    /// Reads a path; a slash at its end does not matter.
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
            ["v2", "models", model] => Self::V2Model(Asked { model, version: None }),
            ["v2", "models", model, "ready"] => Self::V2ModelReady(Asked { model, version: None }),
            ["v2", "models", model, "infer"] => Self::V2Infer(Asked { model, version: None }),
            ["v2", "models", model, "versions", version] => Self::V2Model(Asked { model, version: Some(version) }),
            ["v2", "models", model, "versions", version, step] => {
                let asked = Asked { model, version: Some(version) };
                match step {
                    "ready" => Self::V2ModelReady(asked),
                    "infer" => Self::V2Infer(asked),
                    _ => return None,
                }
            }
            _ => return None,
        })
    }

    /// The methods it takes, as an `Allow` header lists them.
    pub fn methods(self) -> &'static str {
        if matches!(self, Self::V1Predict(_) | Self::V2Infer(_)) { "POST" } else { "GET, HEAD" }
    }

    /// Whether it takes this method.
    pub fn takes(self, method: &Method) -> bool {
        self.methods().split(", ").any(|name| name == method.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_the_protocols_write_them() {
        let asked = |version| Asked { model: "iris", version };
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
            ("/v2/models/iris", Some(Route::V2Model(asked(None)))),
            ("/v2/models/iris/ready", Some(Route::V2ModelReady(asked(None)))),
            ("/v2/models/iris/infer", Some(Route::V2Infer(asked(None)))),
            ("/v2/models/iris/versions/v2", Some(Route::V2Model(asked(Some("v2"))))),
            ("/v2/models/iris/versions/v2/ready", Some(Route::V2ModelReady(asked(Some("v2"))))),
            ("/v2/models/iris/versions/v2/infer", Some(Route::V2Infer(asked(Some("v2"))))),
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
        assert!(predict.takes(&Method::POST) && !predict.takes(&Method::GET));
        assert!(
            Route::Stats.takes(&Method::GET) && Route::Stats.takes(&Method::HEAD) && !Route::Stats.takes(&Method::POST)
        );
    }
}
