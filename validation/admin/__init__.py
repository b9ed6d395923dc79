"""Validation runs and the approval policy in Django's admin."""

from validation.admin.calibrations import CalibrationAdmin
from validation.admin.policy import GatePolicyAdmin
from validation.admin.validation_runs import ValidationRunAdmin

__all__ = ["CalibrationAdmin", "GatePolicyAdmin", "ValidationRunAdmin"]
