raise RuntimeError("this project cannot be imported")
