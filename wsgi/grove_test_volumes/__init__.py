"""A volume driver for tests: its volumes exist in Cinder's database only and store no data."""

from __future__ import annotations

import io
from typing import Any

from cinder import exception
from cinder.volume import driver

GIBIBYTES = 1000
MEBIBYTE = 1 << 20


class TestVolumes(driver.VolumeDriver):
    """Accepts every request of the volume service and stores nothing."""

    VERSION = "1.0"

    def check_for_setup_error(self) -> None:
        """Accept every configuration."""

    def create_volume(self, volume: Any) -> None:
        """Do nothing."""

    def create_volume_from_snapshot(self, volume: Any, snapshot: Any) -> None:
        """Do nothing."""

    def create_cloned_volume(self, volume: Any, src_vref: Any) -> None:
        """Do nothing."""

    def clone_image(
        self, context: Any, volume: Any, image_location: Any, image_meta: Any, image_service: Any
    ) -> tuple[dict[str, Any], bool]:
        """Do nothing, and say that the volume has the image's data."""
        return {}, True

    def copy_volume_to_image(self, context: Any, volume: Any, image_service: Any, image_meta: Any) -> None:
        """Make the image a raw disk with a mebibyte of zeros.

        Raises:
            ImageUnacceptable: For any other format.
        """
        if image_meta["disk_format"] != "raw":
            reason = "the test driver makes raw images only"
            raise exception.ImageUnacceptable(image_id=image_meta["id"], reason=reason)
        image_service.update(context, image_meta["id"], {}, io.BytesIO(bytes(MEBIBYTE)))

    def revert_to_snapshot(self, context: Any, volume: Any, snapshot: Any) -> None:
        """Do nothing."""

    def retype(self, context: Any, volume: Any, new_type: Any, diff: Any, host: Any) -> bool:
        """Do nothing, and say that the volume can stay where it is."""
        return True

    def extend_volume(self, volume: Any, new_size: int) -> None:
        """Do nothing."""

    def delete_volume(self, volume: Any) -> None:
        """Do nothing."""

    def create_snapshot(self, snapshot: Any) -> None:
        """Do nothing."""

    def delete_snapshot(self, snapshot: Any) -> None:
        """Do nothing."""

    def ensure_export(self, context: Any, volume: Any) -> None:
        """Do nothing."""

    def create_export(self, context: Any, volume: Any, connector: Any) -> None:
        """Do nothing."""

    def remove_export(self, context: Any, volume: Any) -> None:
        """Do nothing."""

    def initialize_connection(self, volume: Any, connector: Any, **more: Any) -> dict[str, Any]:
        """Return a connection to nothing."""
        return {"driver_volume_type": "fake", "data": {"volume_id": volume.id}}

    def terminate_connection(self, volume: Any, connector: Any, **more: Any) -> None:
        """Do nothing."""

    def _update_volume_stats(self) -> None:
        self._stats = {
            "volume_backend_name": self.configuration.safe_get("volume_backend_name") or "test",
            "vendor_name": "Grove",
            "driver_version": self.VERSION,
            "storage_protocol": "fake",
            "pools": [
                {
                    "pool_name": "test",
                    "total_capacity_gb": GIBIBYTES,
                    "free_capacity_gb": GIBIBYTES,
                    "reserved_percentage": 0,
                    "QoS_support": False,
                    "multiattach": True,
                    "thin_provisioning_support": False,
                    "thick_provisioning_support": True,
                }
            ],
        }
