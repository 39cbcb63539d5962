mod bad_input;
mod home;
mod html;
mod notify;
mod numbers;
mod reuse;
