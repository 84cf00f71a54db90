//! The coordinator's way to the control plane: this node's tie.

use phoenixmldb_controller::Link;
use phoenixmldb_node::{ControlPlane, CoordinatorError};
use phoenixmldb_proto::PublicError;
use phoenixmldb_types::{ContainerName, MapContainer};

/// Forwards to the control leader.
pub(crate) struct Control(pub(crate) Link);

fn refused(error: PublicError) -> CoordinatorError {
    CoordinatorError::Control { code: error.code, message: error.message, help: error.help }
}

#[async_trait::async_trait]
impl ControlPlane for Control {
    async fn create_container(
        &self,
        name: &ContainerName,
        strip_whitespace: bool,
        if_not_exists: bool,
    ) -> Result<(MapContainer, bool), CoordinatorError> {
        let created = self.0.client().create_container(name, strip_whitespace, if_not_exists).await;
        self.refresh().await;
        created.map_err(refused)
    }

    async fn delete_container(&self, name: &ContainerName, if_exists: bool) -> Result<bool, CoordinatorError> {
        let deleted = self.0.client().delete_container(name, if_exists).await;
        self.refresh().await;
        deleted.map_err(refused)
    }

    async fn refresh(&self) {
        if let Err(error) = self.0.register().await {
            tracing::debug!(%error, "the newest map could not be fetched");
        }
    }
}
