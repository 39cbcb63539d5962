mod bad_input;
mod home;
mod html;
mod in_mlflow;
mod notify;
mod numbers;
mod reuse;
mod webhook;
