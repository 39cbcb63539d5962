//! What a step opens and must close before it exits, whatever ends it.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, join_all};

/// Something that leaves traces outside when it is not closed, such as uploads that were begun.
pub trait Close: Send + Sync {
    /// Closes all of it, within about `time`. Afterwards nothing can be opened.
    fn close(&self, time: Duration) -> BoxFuture<'_, ()>;
}

/// One value of each type. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Opened(Arc<Mutex<BTreeMap<TypeId, Value>>>);

#[derive(Clone)]
struct Value {
    any: Arc<dyn Any + Send + Sync>,
    close: Arc<dyn Close>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened")
    }
}

impl Opened {
    /// The value of a type, made when it is asked for first.
    pub(super) fn of_type<T: Close + Default + 'static>(&self) -> Arc<T> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let value = values.entry(TypeId::of::<T>()).or_insert_with(|| {
            let made = Arc::new(T::default());
            Value {
                any: made.clone(),
                close: made,
            }
        });
        let any = Arc::clone(&value.any);
        any.downcast()
            .unwrap_or_else(|_| unreachable!("a value is listed under its own type"))
    }

    /// Closes all values at the same time.
    pub(super) async fn close(&self, time: Duration) {
        let values = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        join_all(values.values().map(|value| value.close.close(time))).await;
    }
}
