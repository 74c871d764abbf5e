//! A rollout in steps: one loop per analysis, and between two loops the decision about what comes next.
//!
//! The record in the document is the only state. It is saved before each action, so after a kill at any point the next run continues from it,
//! and moves no traffic that the record does not ask for. The loop that was analyzed last is judged from the document, not from memory.

use super::document::Document;
use super::run_loop::run_loop;
use super::{PipelineError, ResultPolicy, RunEnd};
use crate::model::document::{Experiment, TaskStatus};
use crate::model::readable::show;
use crate::model::rollout::{NextLoad, RolloutPhase, RolloutRecord};
use crate::model::slo::Outcome;
use crate::ports::{Env, Event};
use crate::rollout::change::Change;
use crate::rollout::steps::{self, Analysis};
use crate::slo::assertion::{RunState, progress};
use crate::slo::next_load::next_load;
use crate::slo::summary::loop_verdict;
use crate::tasks::Task;
use crate::tasks::rollout::Rollout;
use crate::traffic::claim::{Claim, Command};
use crate::traffic::error::TrafficErrorKind;
use crate::traffic::{Expected, Observed, Target, TrafficError};

/// Runs the rollout to its end, or until it is interrupted.
pub(super) async fn run(
    document: &mut Document<'_>,
    tasks: &[Box<dyn Task>],
    (index, rollout): (usize, &Rollout),
    policy: ResultPolicy,
    env: &Env<'_>,
) -> Result<RunEnd, PipelineError> {
    if env.recording.is_some() || env.fleet.is_some() {
        let message =
            "a rollout cannot be recorded, replayed or shared between pods: it moves the traffic of a cluster";
        let hint = "run it without --record and --replay, in one pod";
        return Err(TrafficError::new(TrafficErrorKind::Refused, message, hint).into());
    }
    let target = rollout.target(env.cluster);
    let claim = rollout.claim(env.cluster, env.clock);
    let holder = document.owner();
    let has_held = claim.acquire(&holder).await?;
    let (target, claim, holder) = (target.as_ref(), &claim, holder.as_str());
    let end = Driver { document, tasks, index, rollout, target, claim, holder, env }.run(policy, has_held).await;
    match document.experiment().rollout().filter(|record| !record.phase.is_over()) {
        None => claim.release(holder).await,
        // It stays claimed: the traffic is in the middle.
        Some(record) if matches!(end, Ok(RunEnd::Interrupted)) => {
            let line = format!(
                "the traffic of {} stays as it is: run the experiment again to go on, or `iter8 k rollout abort {}` to roll back",
                record.target,
                target.argument()
            );
            env.observer.observe(Event::TaskLog { index, line });
        }
        Some(_) => {}
    }
    end
}

/// Consequence of an analysis for the run.
enum Next {
    /// The rollout goes on.
    Continue(RolloutRecord),
    /// It goes on, after a loop that failed.
    AfterFailure(RolloutRecord, PipelineError),
    /// The run is interrupted.
    Interrupted,
}

struct Driver<'a, 'd> {
    document: &'a mut Document<'d>,
    tasks: &'a [Box<dyn Task>],
    /// Index of the rollout's task.
    index: usize,
    rollout: &'a Rollout,
    target: &'a dyn Target,
    claim: &'a Claim<'a>,
    holder: &'a str,
    env: &'a Env<'a>,
}

impl Driver<'_, '_> {
    async fn run(mut self, policy: ResultPolicy, has_held: bool) -> Result<RunEnd, PipelineError> {
        let mut record = self.begin(policy, has_held).await?;
        // Failure of the newest loop. It is the failure of the run, unless another loop follows.
        let mut failed_loop = None;
        loop {
            if self.env.stop.is_cancelled() {
                self.document.interrupt();
                self.document.save().await?;
                return Ok(RunEnd::Interrupted);
            }
            record = match record.phase {
                RolloutPhase::Progressing => match self.analyze(record).await? {
                    Next::Continue(next) => {
                        failed_loop = None;
                        next
                    }
                    Next::AfterFailure(next, error) => {
                        failed_loop = Some(error);
                        next
                    }
                    Next::Interrupted => return Ok(RunEnd::Interrupted),
                },
                RolloutPhase::Paused => match self.wait_for_command(&record).await? {
                    Some(Command::Resume) => {
                        self.say("resumed");
                        let next = self.save(steps::resumed(&record, self.env.clock.now())).await?;
                        self.claim.done(Command::Resume).await;
                        next
                    }
                    Some(Command::Abort) => self.abort(record).await?,
                    None if self.env.stop.is_cancelled() => record,
                    None => return Ok(RunEnd::Completed),
                },
                RolloutPhase::Promoting | RolloutPhase::RollingBack => match self.finish(record).await? {
                    Some(next) => next,
                    None => return Ok(RunEnd::Interrupted),
                },
                RolloutPhase::Promoted => return Ok(RunEnd::Completed),
                RolloutPhase::RolledBack => return failed_loop.map_or(Ok(RunEnd::Completed), Err),
                // Violated SLOs are a result, and `onFailure: none` leaves the traffic on purpose.
                RolloutPhase::Stopped if record.is_violated() => {
                    return failed_loop.map_or(Ok(RunEnd::Completed), Err);
                }
                RolloutPhase::Stopped => return Err(failed_loop.unwrap_or_else(|| self.stopped(&record).into())),
            };
        }
    }

    /// Starts a rollout, or continues the one in the document.
    async fn begin(&mut self, policy: ResultPolicy, has_held: bool) -> Result<RolloutRecord, PipelineError> {
        let earlier = self.document.experiment().rollout().filter(|_| policy == ResultPolicy::Resume).cloned();
        if let Some(record) = earlier {
            if !has_held && !record.phase.is_over() {
                // Whoever released the claim has aborted the rollout. Such an abort does not roll back a candidate that was promoted.
                if record.phase == RolloutPhase::Promoting && self.is_promoted(&record).await? {
                    let reason = "aborted after its promotion".to_owned();
                    return self.save(steps::stopped(record, reason, self.env.clock.now())).await;
                }
                return self.abort(record).await;
            }
            let (total, phase) = (record.steps.len(), record.phase);
            let step = record.step.saturating_add(1).min(total);
            self.say(&format!("continuing the rollout of {}: {phase}, step {step} of {total}", record.target));
            // The last run may have been killed before it could show the phase.
            self.claim.note(self.holder, phase, record.reason.as_deref()).await;
            // The last run was killed after its loop had ended, so that verdict counts.
            let is_unjudged = phase == RolloutPhase::Progressing && record.judged_loop < self.loop_number();
            return match is_unjudged && self.has_analyzed() {
                true => self.judge(record).await,
                false => Ok(record),
            };
        }
        let observed = self.target.observe().await?;
        let record = self.rollout.begin(&self.target.describe(), observed, self.env.clock.now())?;
        if policy == ResultPolicy::Fresh {
            self.document.clear_result();
        }
        self.say(&format!("{}: from {} to {}", record.target, record.stable, record.candidate));
        let judged_loop = self.loop_number();
        self.save(RolloutRecord { judged_loop, ..record }).await
    }

    /// Runs the current step as one loop, and judges it.
    async fn analyze(&mut self, record: RolloutRecord) -> Result<Next, PipelineError> {
        if let Some(step) = record.current() {
            self.say(&format!("step {} of {}: {} %", record.step + 1, record.steps.len(), step.percent));
        }
        let record = steps::started(&record, self.env.clock.now());
        self.document.set_rollout(record.clone());
        let end = match self.run_loop().await {
            Ok(end) => end,
            Err(command) => {
                command?;
                let record = self.recorded(record);
                return self.abort(record).await.map(Next::Continue);
            }
        };
        let failure = match end {
            Ok(RunEnd::Interrupted) => return Ok(Next::Interrupted),
            Ok(RunEnd::Completed) => None,
            Err(error @ PipelineError::Task { .. }) => Some(error),
            Err(error) => return Err(error),
        };
        let record = self.recorded(record);
        let next = match self.has_analyzed() {
            true => self.judge(record).await?,
            // The task did not move the traffic. The record already has the next phase, if the task could decide it.
            false => record,
        };
        match failure {
            None => Ok(Next::Continue(next)),
            Some(error) if next.phase == RolloutPhase::Progressing && !self.has_analyzed() => Err(error),
            Some(error) => Ok(Next::AfterFailure(next, error)),
        }
    }

    /// Runs one loop. Returns the command that ended it early, if one did; the measurements so far are saved.
    async fn run_loop(&mut self) -> Result<Result<RunEnd, PipelineError>, Result<Command, TrafficError>> {
        let stop = self.env.stop.child_token();
        let env = Env { stop: stop.clone(), ..*self.env };
        let running = run_loop(self.document, self.tasks, ResultPolicy::Reuse, &env);
        tokio::pin!(running);
        tokio::select! {
            biased;
            end = &mut running => Ok(end),
            command = self.claim.keep(self.holder, &[Command::Abort]) => {
                stop.cancel();
                let _ = running.await;
                Err(command)
            }
        }
    }

    /// Judges the newest loop.
    async fn judge(&mut self, record: RolloutRecord) -> Result<RolloutRecord, PipelineError> {
        let analysis = analysis(self.document.experiment());
        let percent = record.current().map_or(0, |step| step.percent);
        self.say(&format!("{percent} %: {}", analysis.reason));
        let next = steps::judged(&record, self.rollout.policy, analysis, self.env.clock.now());
        let is_repeated = next.phase == RolloutPhase::Progressing && next.step == record.step;
        if let Some(extension) = next.current().and_then(|step| step.extension.as_ref()).filter(|_| is_repeated) {
            let (requests, times) = (extension.requests, show(extension.times));
            self.say(&format!(
                "{percent} %: analyzing again with {requests} requests, {times} times the load of the values"
            ));
        }
        self.save(next).await
    }

    async fn abort(&mut self, record: RolloutRecord) -> Result<RolloutRecord, PipelineError> {
        let next = self.save(steps::rolling_back(record, "aborted".to_owned(), self.env.clock.now())).await?;
        // Not before it is saved: a run that is killed until then finds the command again.
        self.claim.done(Command::Abort).await;
        Ok(next)
    }

    /// Waits until a person resumes or aborts the rollout; `None` if nobody did in time, or the run is interrupted.
    async fn wait_for_command(&mut self, record: &RolloutRecord) -> Result<Option<Command>, PipelineError> {
        self.say(&format!("paused: {}", record.reason.as_deref().unwrap_or_default()));
        let argument = self.target.argument();
        self.say(&format!(
            "`iter8 k rollout resume {argument}` continues, `iter8 k rollout abort {argument}` rolls back"
        ));
        let timeout = async {
            match self.rollout.pause_timeout {
                Some(timeout) => self.env.clock.sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = self.claim.keep(self.holder, &[Command::Resume, Command::Abort]) => Ok(Some(command?)),
            () = timeout => Ok(None),
            () = self.env.stop.cancelled() => Ok(None),
        }
    }

    /// Promotes or rolls back, as the record says; `None` if the run is interrupted.
    async fn finish(&mut self, record: RolloutRecord) -> Result<Option<RolloutRecord>, PipelineError> {
        let reason = record.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        self.say(&format!("{}{reason}", record.phase));
        let moved = tokio::select! {
            moved = self.move_traffic(&record) => moved,
            lost = self.claim.keep(self.holder, &[]) => lost.map(|_| ()),
            () = self.env.stop.cancelled() => return Ok(None),
        };
        let now = self.env.clock.now();
        let Err(error) = moved else { return self.save(steps::ended(&record, now)).await.map(Some) };
        match (record.phase, error.kind) {
            // Nobody else moves the traffic, so it can still go back.
            (RolloutPhase::Promoting, TrafficErrorKind::Timeout | TrafficErrorKind::Refused) => {
                self.save(steps::failed(record, self.rollout.policy, &error.message, now)).await.map(Some)
            }
            (_, TrafficErrorKind::Lost | TrafficErrorKind::Absent) => {
                self.save(steps::stopped(record, error.message.clone(), now)).await?;
                Err(error.into())
            }
            // The next run tries again: the candidate must lose its traffic.
            (RolloutPhase::RollingBack, TrafficErrorKind::Refused) => {
                Err(TrafficError { kind: TrafficErrorKind::Cluster, ..error }.into())
            }
            _ => Err(error.into()),
        }
    }

    /// Returns true if an earlier run has promoted the candidate. A target that does not exist has no promoted candidate.
    async fn is_promoted(&self, record: &RolloutRecord) -> Result<bool, TrafficError> {
        match self.target.observe().await {
            Err(error) if error.kind == TrafficErrorKind::Absent => Ok(false),
            observed => Ok(has_promoted(&observed?, record)),
        }
    }

    /// Makes the change that the record says, and waits until the cluster shows it.
    async fn move_traffic(&self, record: &RolloutRecord) -> Result<(), TrafficError> {
        let is_promotion = record.phase == RolloutPhase::Promoting;
        // An earlier run may have been killed after the promotion.
        let mut is_promoted = false;
        if is_promotion {
            let observed = self.target.observe().await?;
            is_promoted = has_promoted(&observed, record);
            if is_promoted && observed.candidate.is_some() {
                // Another promotion would be that of a newer candidate, which nobody has analyzed.
                return Ok(());
            }
        }
        let expected = Expected {
            uid: record.uid.clone(),
            // A candidate that was replaced has to lose its traffic, too.
            candidate: (is_promotion && !is_promoted).then(|| record.candidate.clone()),
            percents: steps::possible_percents(record),
        };
        let mut say = |reason: &str| {
            let line = self.document.redact(&format!("waiting: {reason}"));
            self.env.observer.observe(Event::TaskLog { index: self.index, line });
        };
        let change = if is_promotion { Change::Promote } else { Change::Rollback };
        match self.target.change(change, Some(&expected), self.rollout.timeout, &mut say).await {
            // There is nothing left to promote.
            Err(error) if is_promoted && error.kind == TrafficErrorKind::Refused => Ok(()),
            moved => moved,
        }
    }

    /// Saves the state of the rollout, before anyone acts on it.
    async fn save(&mut self, record: RolloutRecord) -> Result<RolloutRecord, PipelineError> {
        self.document.set_rollout(record.clone());
        self.document.save().await?;
        let record = self.recorded(record);
        self.claim.note(self.holder, record.phase, record.reason.as_deref()).await;
        Ok(record)
    }

    /// Returns the record in the document, which has no secrets.
    fn recorded(&self, record: RolloutRecord) -> RolloutRecord {
        self.document.experiment().rollout().cloned().unwrap_or(record)
    }

    /// Returns true if the traffic has moved in the newest loop, and the loop has ended.
    fn has_analyzed(&self) -> bool {
        let experiment = self.document.experiment();
        let tasks = experiment.result.as_ref().map(|result| result.tasks.as_slice()).unwrap_or_default();
        let has_moved = tasks.get(self.index).is_some_and(|record| record.status == TaskStatus::Done);
        has_moved && matches!(progress(experiment).state, RunState::Completed | RunState::Failed)
    }

    fn loop_number(&self) -> u64 {
        self.document.experiment().result.as_ref().map_or(0, |result| result.num_loops)
    }

    fn say(&self, line: &str) {
        self.env.observer.observe(Event::TaskLog { index: self.index, line: self.document.redact(line) });
    }

    fn stopped(&self, record: &RolloutRecord) -> TrafficError {
        let reason = record.reason.as_deref().unwrap_or_default();
        TrafficError::new(
            TrafficErrorKind::Lost,
            format!("the rollout of {} was stopped: {reason}", record.target),
            format!("the traffic stays as it is; `iter8 k rollout status {}` shows it", self.target.argument()),
        )
    }
}

/// Returns true if the candidate of a rollout is the stable version now.
fn has_promoted(observed: &Observed, record: &RolloutRecord) -> bool {
    observed.uid == record.uid && observed.stable.as_ref() == Some(&record.candidate)
}

/// Summarizes the newest loop. A loop that assessed nothing decides nothing, whatever it measured.
fn analysis(experiment: &Experiment) -> Analysis {
    let result = experiment.result.as_ref();
    let failed = result.iter().flat_map(|result| &result.tasks).find(|record| record.status == TaskStatus::Failed);
    let verdict = loop_verdict(experiment);
    let failure = failed.map(|record| {
        let error = record.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        format!("{} failed{error}", record.task)
    });
    // A failure says nothing about the number of requests.
    let insights = result.and_then(|result| result.insights.as_ref()).filter(|_| failure.is_none());
    let is_open = verdict.outcome == Some(Outcome::Inconclusive);
    let next_load = insights.filter(|_| is_open).map_or(NextLoad::Same, next_load);
    let (outcome, reason) = match (verdict.outcome, failure) {
        (Some(outcome), None) | (Some(outcome @ Outcome::Violated), _) => (outcome, verdict.summary()),
        (_, Some(failure)) => (Outcome::Inconclusive, failure),
        (None, None) => (Outcome::Inconclusive, verdict.summary()),
    };
    Analysis { loop_number: result.map_or(0, |result| result.num_loops), outcome, reason, next_load }
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
