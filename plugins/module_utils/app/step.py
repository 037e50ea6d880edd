"""One step of a deployment on a host: hold the application's lock, say that the run is alive, report what fails.

A module that works on an application does it in ``deployment_step``::

    with deployment_step(Step(folder, run, "switch", release, dry=module.check_mode)) as step:
        outcome = bring_live(...)
        step.enter("agents", failed="failed", prefix=f"release {release} is live, but not its agents: ")
        ...

A module that works on several applications at once, or that waits without their locks, uses ``held`` for the part that
needs the locks, and ``Step.fail`` for each application that fails.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import FrameType

from ansible_collections.grove.wsgi.plugins.module_utils.app import history, lease, limits
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class StepError(OperatorError):
    """A step failed. The message begins with ``record NAME:`` and is what the module reports."""


class Interrupted(BaseException):
    """A signal asked this process to end. What is half done has to be undone before that."""


@dataclass
class Step:
    """A step of the deployment of one application.

    ``name`` is the step's name in the history, and ``failed`` the event that is noted when it fails (``refused`` when
    the release was, ``failed`` otherwise). ``prefix`` stands before the error's message. ``aftermath`` returns a
    text that follows the message: what the failed step did not do, and what to do next. A ``dry`` step writes nothing.
    """

    folder: AppFolder
    run: lease.Run | None
    name: str
    release: str = ""
    failed: str = "refused"
    prefix: str = ""
    aftermath: Callable[[], str] | None = None
    dry: bool = False

    def enter(self, name: str, *, failed: str, prefix: str = "") -> None:
        """Go on with another part of the step, whose failure is noted and reported in another way."""
        self.name, self.failed, self.prefix = name, failed, prefix

    def fail(self, error: BaseException | str, *, noted: bool = True) -> StepError:
        """Note a failure in the history, end the run's lease, and return the error to raise.

        With ``noted`` false the history is left alone, as when the step could not even begin.
        """
        text = explain(error) if isinstance(error, BaseException) else error
        if not self.dry:
            if noted:
                reason = text[: limits.REASON_CHARACTERS]
                history.note_failure(self.folder, self.failed, self.release, why=reason, step=self.name)
            with contextlib.suppress(OSError):
                lease.end(self.folder, self.run)
        aftermath = self.aftermath() if self.aftermath else ""
        ending = f"\n{aftermath}" if aftermath else ""
        return StepError(f"record {self.folder.name}: {self.prefix}{text}{ending}")


@contextlib.contextmanager
def deployment_step(step: Step) -> Iterator[Step]:
    """Do a step with the application's lock held; the run's lease is renewed before and after it.

    Raises StepError for every OperatorError and OSError, and when a signal asks the process to end. All but a
    FolderError, which says that the step could not begin, are noted in the history. Any other exception is noted
    too, and goes on.
    """
    try:
        with interruptible(), held([step.folder], step.run, dry=step.dry):
            yield step
    except FolderError as error:
        raise step.fail(error, noted=False) from error
    except (OperatorError, OSError) as error:
        raise step.fail(error) from error
    except (Interrupted, KeyboardInterrupt) as error:
        step.failed = "failed"
        remedy = "" if step.aftermath and step.aftermath() else "; run again"
        raise step.fail(f"the step {step.name} was interrupted ({error}){remedy}") from error
    except Exception as error:
        step.failed = "failed"
        step.fail(f"{type(error).__name__}: {error}")
        raise


@contextlib.contextmanager
def held(folders: Iterable[AppFolder], run: lease.Run | None, *, dry: bool = False) -> Iterator[None]:
    """Hold the locks of applications, and renew the run's lease of each before and after.

    A lease that the run did not have before ends with the step: the run's own part on a host of an earlier batch
    (``serial``) has ended. A dry step takes no lock, which could stop a deployment that begins meanwhile. It does not
    look at the leases if it belongs to a run: the run looked when it began, knew which other runs are dead, and left
    their leases there because it is dry. Raises FolderError when another deployment is at work.
    """
    folders = list(folders)
    leased = {folder.name for folder in folders if lease.is_own(folder, run)}
    with contextlib.ExitStack() as locks:
        for folder in folders:
            if not dry:
                locks.enter_context(folder.locked())
                lease.renew(folder, run)
            elif run is None:
                lease.renew(folder, None)
        yield
        for folder in folders if not dry else ():
            if folder.name in leased:
                lease.renew(folder, run)
            else:
                lease.end(folder, run)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted for the first signal that asks this process to end, so that a switch can be undone.

    Further ones are ignored until the end of the context: they would interrupt the undoing. Ansible and ssh send
    SIGTERM and SIGHUP, a terminal SIGINT.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if not received:
            received.append(number)
            raise Interrupted(signal.Signals(number).name)

    former = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
