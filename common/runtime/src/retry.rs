//! Calls to a service that may fail for a moment: tried again with jitter, within a total budget of
//! time.

use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::failure::Failure;

/// The shortest wait between two tries, before jitter; it doubles with each try.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait between two tries, before jitter.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long a call may be tried again, all tries and waits together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Budget(pub Duration);

impl Default for Budget {
    fn default() -> Self {
        Self(Duration::from_secs(30))
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl FromStr for Budget {
    type Err = String;

    /// Seconds, or a number with a unit: `30`, `30s`, `500ms`, `2m`.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let milliseconds = match &text[digits.len()..] {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" => 60_000,
            _ => 0,
        };
        let total = digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(milliseconds));
        match total {
            Some(total @ 1..) => Ok(Self(Duration::from_millis(total))),
            _ => Err("give a time, such as 30s, 500ms or 2m".to_owned()),
        }
    }
}

/// A service that is called, as errors name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What it is, such as `MLflow`.
    pub name: &'static str,
    /// Its host and port; never a user or a password.
    pub host: String,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.host)
    }
}

/// Why a call failed.
#[derive(Debug)]
pub enum Trouble {
    /// It may pass: the call is tried again while the budget lasts.
    Passing(anyhow::Error),
    /// It stays: a person must act, or the answer is final.
    Lasting(anyhow::Error),
}

impl Budget {
    /// Makes a call until it succeeds, fails for good, or the budget is spent. `operation` says
    /// what it does, such as `creating a run`.
    ///
    /// # Errors
    /// A spent budget: exit 75, naming the service, its host and the operation. A lasting failure:
    /// as it is.
    pub async fn call<T, F: Future<Output = Result<T, Trouble>>>(
        self,
        service: &Service,
        operation: &str,
        mut call: impl FnMut() -> F,
    ) -> Result<T> {
        let mut tries = Tries::new(self, service, operation);
        let mut before = None;
        loop {
            match tokio::time::timeout(tries.left(), call()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(Trouble::Lasting(error))) => return Err(error),
                Ok(Err(Trouble::Passing(error))) => {
                    tries.wait(&error).await?;
                    before = Some(error);
                }
                // The last try may have had moments only; what came before says more.
                Err(_) => {
                    let cause = before.take().map_or_else(
                        || anyhow!("no answer"),
                        |error| anyhow!("{error:#}; no answer to the last try"),
                    );
                    tries.wait(&cause).await?;
                }
            }
        }
    }

    /// Makes a call as [`Budget::call`] does, but cuts no try short: for work that may take longer
    /// than the budget while all is well. Only a failure asks whether there is time for another
    /// try.
    ///
    /// # Errors
    /// Those of [`Budget::call`].
    pub async fn work<T>(
        self,
        service: &Service,
        operation: &str,
        mut work: impl AsyncFnMut() -> Result<T, Trouble>,
    ) -> Result<T> {
        let mut tries = Tries::new(self, service, operation);
        loop {
            match work().await {
                Ok(value) => return Ok(value),
                Err(Trouble::Lasting(error)) => return Err(error),
                Err(Trouble::Passing(error)) => tries.wait(&error).await?,
            }
        }
    }
}

/// The tries of one call.
struct Tries<'a> {
    budget: Budget,
    service: &'a Service,
    operation: &'a str,
    started: Instant,
    attempt: u32,
    waits: ExponentialBackoff,
}

impl<'a> Tries<'a> {
    fn new(budget: Budget, service: &'a Service, operation: &'a str) -> Self {
        let waits = ExponentialBuilder::default()
            .with_min_delay(FIRST_WAIT)
            .with_max_delay(LONGEST_WAIT)
            .with_jitter()
            .without_max_times()
            .build();
        Self {
            budget,
            service,
            operation,
            started: Instant::now(),
            attempt: 0,
            waits,
        }
    }

    fn left(&self) -> Duration {
        self.budget.0.saturating_sub(self.started.elapsed())
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// A spent budget: exit 75.
    async fn wait(&mut self, cause: &anyhow::Error) -> Result<()> {
        self.attempt += 1;
        let Self {
            service,
            operation,
            attempt,
            ..
        } = self;
        let wait = self.waits.next().unwrap_or(LONGEST_WAIT);
        if self.started.elapsed() + wait >= self.budget.0 {
            let tries = if *attempt == 1 {
                "1 try".to_owned()
            } else {
                format!("{attempt} tries")
            };
            return Err(Failure::Unavailable(format!(
                "{service} is not available: {operation}: {cause:#} ({tries} in {:.1?}; --retry-budget sets how long)",
                self.started.elapsed()
            ))
            .into());
        }
        tracing::warn!(
            attempt,
            "{service}: {operation}: {cause:#}; retrying in {wait:.1?}"
        );
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::exit_code;
    use std::cell::Cell;

    fn service() -> Service {
        Service {
            name: "MLflow",
            host: "mlflow:5000".to_owned(),
        }
    }

    #[test]
    fn a_budget_is_a_time() {
        for (text, milliseconds) in [
            ("30", 30_000),
            ("30s", 30_000),
            ("500ms", 500),
            ("2m", 120_000),
        ] {
            assert_eq!(
                text.parse(),
                Ok(Budget(Duration::from_millis(milliseconds))),
                "{text}"
            );
        }
        for text in [
            "",
            "0",
            "0s",
            "s",
            "-1s",
            "1h",
            "1.5s",
            "99999999999999999999",
        ] {
            assert!(text.parse::<Budget>().is_err(), "{text:?}");
        }
    }

    #[tokio::test]
    async fn what_passes_is_tried_again() {
        let calls = Cell::new(0);
        let answer = Budget::default()
            .call(&service(), "creating a run", || {
                calls.set(calls.get() + 1);
                let n = calls.get();
                async move {
                    if n < 4 {
                        Err(Trouble::Passing(anyhow::anyhow!("503")))
                    } else {
                        Ok(n)
                    }
                }
            })
            .await
            .unwrap();
        assert_eq!(answer, 4);
    }

    #[tokio::test]
    async fn a_spent_budget_names_service_host_and_operation() {
        let error = Budget(Duration::from_millis(300))
            .call(&service(), "creating a run", || async {
                Err::<(), _>(Trouble::Passing(anyhow::anyhow!("503")))
            })
            .await
            .unwrap_err();
        assert_eq!(exit_code(&error), 75);
        assert!(
            error
                .to_string()
                .starts_with("MLflow at mlflow:5000 is not available: creating a run: 503"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_call_without_an_answer_ends_with_the_budget() {
        let error = Budget(Duration::from_millis(50))
            .call(
                &service(),
                "searching",
                std::future::pending::<Result<(), Trouble>>,
            )
            .await;
        let error = error.unwrap_err();
        assert!(
            error.to_string().contains("searching: no answer (1 try"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_last_try_that_is_cut_short_does_not_hide_what_went_wrong_before() {
        let calls = Cell::new(0);
        let error = Budget(Duration::from_millis(300))
            .call(&service(), "searching", || {
                calls.set(calls.get() + 1);
                let is_first = calls.get() == 1;
                async move {
                    if is_first {
                        return Err::<(), _>(Trouble::Passing(anyhow::anyhow!("503")));
                    }
                    std::future::pending().await
                }
            })
            .await
            .unwrap_err();
        let expected = "searching: 503; no answer to the last try (2 tries";
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[tokio::test]
    async fn work_that_is_under_way_is_not_cut_short() {
        let (budget, service) = (Budget(Duration::from_millis(20)), service());
        let (finish, mut finished) = tokio::sync::oneshot::channel();
        let work = budget.work(&service, "merging", async || {
            let end = (&mut finished).await;
            end.map_err(|gone| Trouble::Lasting(gone.into()))
        });
        // It ends only after a call with the same budget, which began later.
        let call = async {
            let silence = std::future::pending::<Result<(), Trouble>>;
            let call = budget.call(&service, "searching", silence);
            assert!(call.await.is_err());
            finish.send(1).unwrap();
        };
        // In this order at each wake-up, unlike `tokio::join!`.
        let (worked, ()) = futures::join!(work, call);
        assert_eq!(worked.unwrap(), 1);
    }

    #[tokio::test]
    async fn what_stays_is_not_tried_again() {
        let error = Budget::default()
            .call(&service(), "creating a run", || async {
                Err::<(), _>(Trouble::Lasting(Failure::usage("wrong password")))
            })
            .await
            .unwrap_err();
        assert_eq!(
            (exit_code(&error), error.to_string().as_str()),
            (2, "wrong password")
        );
    }
}
