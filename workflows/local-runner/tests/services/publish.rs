//! `publish-predictions publish` into a real Postgres: what stands in the table, whatever happens on the way there.

<<<<<<< HEAD
pub(crate) mod fixture;
=======
mod contents;
mod failures;
mod fixture;
>>>>>>> postgres
mod schedules;
mod table;
