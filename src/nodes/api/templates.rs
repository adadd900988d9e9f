//! Template VMs through the API.

use super::connect::ApiNodes;
use crate::nodes::templates::Templates;

impl Templates for ApiNodes {}
